"""Public galleries: who knows the address may look, with a browser or a program, without a key."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from litestar import HttpMethod, Request, Response, route
from sqlmodel import Session

from gateway.gallery_page import Page, gallery_page, missing_page
from gateway.views import public_gallery_view
from models.errors import NotFound
from models.galleries import find_public_gallery, members_on_page
from models.library import shown_in_order
from models.settings import Settings
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
Json = dict[str, Any]

IMAGES_ON_PAGE = 100

_HTML, _JSON = "text/html", "application/json"
_PAGE = re.compile(r"[1-9][0-9]{0,5}")
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
# What becomes private is seen by nobody a minute later.
_KEPT = {"Cache-Control": "public, max-age=60", "Vary": "Accept, Accept-Encoding"}


class Seen(NamedTuple):
    """One page of a public gallery, and the address that its images are under."""

    view: Json
    images: str


@route("/g/{gallery_id:str}", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def show(gallery_id: str, request: AnyRequest, services: Services) -> Response[bytes]:
    """A public gallery as a page or, to who accepts JSON rather, as data.

    404 for a private gallery as for none, and for a page that it does not have.
    """
    wants_page = request.accept.best_match([_HTML, _JSON], _HTML) == _HTML
    page = request.query_params.get("page", "1")

    zipped = _GZIP.search(request.headers.get("accept-encoding", "")) is not None

    def answer(session: Session) -> Response[bytes]:
        seen = _seen(session, gallery_id, page, services.settings)
        whole = _page_answer(seen, services.settings) if wants_page else _data_answer(seen)
        return _tagged(_zipped(whole) if zipped else whole)

    try:
        return _confirmed(request, await services.database.read(answer))
    except NotFound:
        if wants_page:
            return _document(missing_page(), "", {"Cache-Control": "no-store"}, status=404)
        raise


def _seen(session: Session, gallery_id: str, page: str, settings: Settings) -> Seen:
    placed = find_public_gallery(session, gallery_id)
    number = int(page) if _PAGE.fullmatch(page) else 0
    members = members_on_page(session, gallery_id, number, IMAGES_ON_PAGE) if number else []
    if not members and number != 1:
        raise NotFound("There is no such page.")
    shelves = shown_in_order(session, [one.image_id for one in members[:IMAGES_ON_PAGE]])
    edge = settings.public_edge
    pages = {
        "page": number,
        "limit": IMAGES_ON_PAGE,
        "nextPage": number + 1 if len(members) > IMAGES_ON_PAGE else None,
        "previousPage": number - 1 or None,
    }
    view = {"gallery": public_gallery_view(placed, shelves, edge), "pagination": pages}
    return Seen(view, placed.bucket.public_url or edge)


def _page_answer(seen: Seen, settings: Settings) -> Response[bytes]:
    address = f"{settings.public_api}/g/{seen.view['gallery']['id']}"
    return _document(gallery_page(seen.view, address), seen.images, _KEPT)


def _data_answer(seen: Seen) -> Response[bytes]:
    """Open to scripts of every site: it shows what the page shows, and knows no cookies."""
    headers = {**_KEPT, "Access-Control-Allow-Origin": "*"}
    return _response(msgspec.json.encode(seen.view), _JSON, headers)


def _document(
    page: Page, images: str, headers: Mapping[str, str], status: int = 200
) -> Response[bytes]:
    """A page that may use its own style and pictures from where its images are, nothing else."""
    policy = (
        f"default-src 'none'; img-src {_origin(images)}; style-src '{page.style_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )
    secured = {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
    return _response(page.html.encode(), _HTML, {**headers, **secured}, status)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin if _ORIGIN.fullmatch(origin) else "'none'"


def _response(
    body: bytes, media_type: str, headers: Mapping[str, str], status: int = 200
) -> Response[bytes]:
    named = {**headers, "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type=media_type, headers=named, status_code=status)


def _zipped(response: Response[bytes]) -> Response[bytes]:
    """A tenth of the bytes: pages repeat themselves, and have no secret to be guessed by size."""
    response.content = gzip.compress(response.content, 5, mtime=0)
    response.set_header("Content-Encoding", "gzip")
    return response


def _tagged(response: Response[bytes]) -> Response[bytes]:
    response.set_header("ETag", f'"{hashlib.sha256(response.content).hexdigest()[:32]}"')
    return response


def _confirmed(request: AnyRequest, response: Response[bytes]) -> Response[bytes]:
    """Only that nothing changed, to who has the same answer already."""
    known = request.headers.get("if-none-match", "")
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    if response.headers["ETag"] not in tags and "*" not in tags:
        return response
    kept = {name: text for name, text in response.headers.items() if name != "Content-Encoding"}
    return Response(b"", status_code=304, headers=kept)
