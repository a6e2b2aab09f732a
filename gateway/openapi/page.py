"""The reference as one web page: from the document alone, no script, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from gateway.markup import Html, element, joined
from gateway.openapi.page_operation import Shown, article
from gateway.openapi.page_parts import (
    fields,
    kind,
    method_mark,
    prose,
    row,
    shown_example,
    slug,
    table,
)
from gateway.openapi.style import STYLE
from gateway.openapi.words import Json


class Page(NamedTuple):
    """A whole document, and what its Content-Security-Policy must allow as style."""

    html: str
    style_hash: str


def reference_page(document: Json) -> Page:
    """The page of an OpenAPI document of ours."""
    operations = [
        Shown(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    body = joined(
        element("a", "Skip to the reference", class_="skip", href="#reference"),
        _heading(document),
        _contents(document, operations),
        element("main", *_sections(document, operations), id="reference"),
    )
    return _page(document["info"]["title"], body)


def _page(title: str, body: Html) -> Page:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", f"{title} API reference"),
        element("link", rel="icon", href="data:,"),
        element("style", Html(STYLE)),
    )
    html = element("html", head, element("body", body), lang="en")
    return Page(f"<!doctype html>{html}", f"sha256-{digest}")


def _heading(document: Json) -> Html:
    info, server = document["info"], document["servers"][0]["url"]
    paragraphs = [element("p", prose(part)) for part in info["description"].strip().split("\n\n")]
    links = element(
        "p",
        element("a", "OpenAPI document", href="/docs/openapi.json"),
        " · ",
        element("a", "Guide", href="/api/docs"),
        " · ",
        element("code", server),
    )
    title = element("h1", f"{info['title']} API ", element("small", info["version"]))
    return element("header", title, *paragraphs, links)


def _contents(document: Json, operations: list[Shown]) -> Html:
    groups = [
        element(
            "li",
            element("a", tag["name"], href=f"#{slug(tag['name'])}"),
            element("ul", *(_entry(one) for one in _tagged(operations, tag["name"]))),
        )
        for tag in document["tags"]
    ]
    rest = [
        element("li", element("a", name, href=f"#{slug(name)}")) for name in ("Errors", "Schemas")
    ]
    return element("nav", element("ul", *groups, *rest), aria_label="Contents")


def _entry(shown: Shown) -> Html:
    summary = shown.operation["summary"]
    return element(
        "li", element("a", method_mark(shown.method), " ", summary, href=f"#{shown.anchor}")
    )


def _tagged(operations: list[Shown], tag: str) -> list[Shown]:
    return [shown for shown in operations if tag in shown.operation["tags"]]


def _sections(document: Json, operations: list[Shown]) -> Iterator[Html]:
    for tag in document["tags"]:
        articles = [article(shown, document) for shown in _tagged(operations, tag["name"])]
        name, said = tag["name"], element("p", tag["description"])
        yield element("section", element("h2", name), said, *articles, id=slug(name))
    yield _errors(document, operations)
    yield _schemas(document)


def _errors(document: Json, operations: list[Shown]) -> Html:
    known, statuses = document["components"]["examples"], _statuses(operations)
    rows = [
        row(_error_name(code), statuses[code], prose(known[code]["summary"]))
        for code in sorted(known, key=lambda code: (statuses[code], code))
    ]
    value = known["invalid-fields"]["value"]
    return element(
        "section",
        element("h2", "Errors"),
        element("p", "Every error is answered with the same body."),
        shown_example({"summary": "the body of an error", "value": value}),
        table("Every error", ("Code", "Status", "What it says"), rows),
        id="errors",
    )


def _statuses(operations: list[Shown]) -> dict[str, str]:
    """The status of each error, by its code."""
    return {
        one["$ref"].rpartition("/")[2]: status
        for shown in operations
        for status, answer in shown.operation["responses"].items()
        for media in answer.get("content", {}).values()
        for one in media.get("examples", {}).values()
        if "$ref" in one
    }


def _error_name(code: str) -> Html:
    return element("code", code, id=f"error-{code}")


def _schemas(document: Json) -> Html:
    shapes = document["components"]["schemas"]
    return element(
        "section",
        element("h2", "Schemas"),
        *(_schema(name, shape, document) for name, shape in shapes.items()),
        id="schemas",
    )


def _schema(name: str, shape: Json, document: Json) -> Html:
    heading = element("h3", name, id=f"schema-{name}")
    said = element("p", prose(shape.get("description", "")))
    if shape.get("properties"):
        return element("article", heading, said, fields(shape, f"Fields of {name}", document))
    return element("article", heading, said, element("p", kind(shape)))
