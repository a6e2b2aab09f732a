"""The documentation, served: the reference as a page and as OpenAPI, the guide as Markdown."""

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, Router, get

from gateway.openapi.document import document, encoded
from gateway.openapi.guide import GuidePage, index_of, pages
from gateway.openapi.page import Page, reference_page
from models.errors import NotFound
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]

_JSON, _MARKDOWN, _HTML = "application/json", "text/markdown", "text/html"
_KEPT = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}


@functools.lru_cache(maxsize=4)
def _page(server: str) -> Page:
    return reference_page(document(server))


@functools.lru_cache(maxsize=4)
def _guide(server: str) -> dict[str, GuidePage]:
    return pages(server)


@get("/docs", sync_to_thread=True)
def show_reference(request: AnyRequest, services: Services) -> Response[bytes]:
    """The reference for people: one page that needs nothing but itself."""
    page = _page(services.settings.public_api)
    policy = (
        f"default-src 'none'; style-src '{page.style_hash}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return _answer(request, page.html.encode(), _HTML, headers)


@get("/docs/openapi.json", sync_to_thread=True)
def show_document(request: AnyRequest, services: Services) -> Response[bytes]:
    """The reference for programs, open to scripts of every site."""
    body = encoded(services.settings.public_api)
    return _answer(request, body, _JSON, {"Access-Control-Allow-Origin": "*"})


@get("/api/docs", sync_to_thread=True)
def show_index(request: AnyRequest, services: Services) -> Response[bytes]:
    """What the guide has pages about."""
    server = services.settings.public_api
    guide = _guide(server)
    listed = [
        {"topic": page.topic, "title": page.title, "url": f"{server}/api/docs/{page.topic}"}
        for page in guide.values()
    ]
    return _in_kind(request, index_of(guide, server), {"title": "Calotype", "pages": listed})


@get("/api/docs/{topic:str}", sync_to_thread=True)
def show_topic(topic: str, request: AnyRequest, services: Services) -> Response[bytes]:
    """A page of the guide."""
    guide = _guide(services.settings.public_api)
    if topic not in guide:
        raise NotFound(f"The guide has no page '{topic[:64]}'; it has: {', '.join(guide)}.")
    page = guide[topic]
    said = {"topic": topic, "title": page.title, "text": page.text}
    return _in_kind(request, page.text, said)


def _in_kind(request: AnyRequest, text: str, value: object) -> Response[bytes]:
    """Markdown, or JSON for who accepts that rather."""
    if request.accept.best_match([_MARKDOWN, _JSON], _MARKDOWN) == _JSON:
        return _answer(request, msgspec.json.encode(value), _JSON, {"Vary": "Accept"})
    return _answer(request, text.encode(), _MARKDOWN, {"Vary": "Accept"})


def _answer(
    request: AnyRequest, body: bytes, media_type: str, headers: Mapping[str, str]
) -> Response[bytes]:
    """The body, or only that it is still the one that the client has."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    named = {**_KEPT, **headers, "ETag": tag}
    known = request.headers.get("if-none-match", "").split(",")
    if {tag, "*"} & {one.strip().removeprefix("W/") for one in known}:
        return Response(b"", status_code=304, headers=named)
    return Response(body, media_type=media_type, headers=named)


routes = Router("/", route_handlers=[show_reference, show_document, show_index, show_topic])
