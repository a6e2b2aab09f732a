"""The reference as one web page: from the document alone, no script, nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.markup import Html, element, joined
from gateway.openapi.prose import Named, Row, kind_of, meaning_of, rows_of
from gateway.openapi.style import STYLE
from gateway.openapi.words import Json


class Page(NamedTuple):
    """A whole document, and what its Content-Security-Policy must allow as style."""

    html: str
    style_hash: str


class Shown(NamedTuple):
    """An operation with where it is."""

    method: str
    path: str
    operation: Json

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return str(self.operation["operationId"])


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
    paragraphs = [element("p", _prose(part)) for part in info["description"].strip().split("\n\n")]
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
            element("a", tag["name"], href=f"#{_slug(tag['name'])}"),
            element("ul", *(_entry(one) for one in _tagged(operations, tag["name"]))),
        )
        for tag in document["tags"]
    ]
    rest = [
        element("li", element("a", name, href=f"#{_slug(name)}")) for name in ("Errors", "Schemas")
    ]
    return element("nav", element("ul", *groups, *rest), aria_label="Contents")


def _entry(shown: Shown) -> Html:
    summary = shown.operation["summary"]
    return element("li", element("a", _method(shown.method), " ", summary, href=f"#{shown.anchor}"))


def _method(method: str) -> Html:
    return element("b", method.upper(), class_=f"method {method}")


def _slug(name: str) -> str:
    return name.lower()


def _prose(text: str) -> Html:
    """Text in which backticks mark code."""
    pieces = text.split("`")
    return joined(*(element("code", one) if place % 2 else one for place, one in enumerate(pieces)))


def _tagged(operations: list[Shown], tag: str) -> list[Shown]:
    return [shown for shown in operations if tag in shown.operation["tags"]]


def _sections(document: Json, operations: list[Shown]) -> Iterator[Html]:
    for tag in document["tags"]:
        articles = [_article(shown, document) for shown in _tagged(operations, tag["name"])]
        name, said = tag["name"], element("p", tag["description"])
        yield element("section", element("h2", name), said, *articles, id=_slug(name))
    yield _errors(document, operations)
    yield _schemas(document)


def _article(shown: Shown, document: Json) -> Html:
    operation = shown.operation
    return element(
        "article",
        element("h3", element("a", operation["summary"], href=f"#{shown.anchor}")),
        element("p", _method(shown.method), " ", element("code", shown.path), class_="where"),
        element("p", _prose(operation["description"])),
        _permission(operation),
        *_curls(operation),
        _parameters(operation, document),
        _body(operation, document),
        _answers(operation, document),
        id=shown.anchor,
    )


def _permission(operation: Json) -> Html:
    needed = operation.get("x-permission")
    if needed is None:
        return element("p", "Needs no key.", class_="needs")
    also = operation.get("x-permission-also")
    more = [" or ", element("code", also)] if also else []
    return element("p", "Needs the permission ", element("code", needed), *more, class_="needs")


def _curls(operation: Json) -> Iterator[Html]:
    for sample in operation.get("x-codeSamples", []):
        yield element(
            "figure",
            element("figcaption", sample["label"]),
            element("pre", element("code", sample["source"]), tabindex=0),
        )


def _parameters(operation: Json, document: Json) -> Html:
    known = document["components"]["parameters"]
    given = [known[one["$ref"].rpartition("/")[2]] for one in operation["parameters"]]
    rows = [
        _row(
            element("code", one["name"]),
            one["in"],
            _kind(one["schema"]),
            _prose(_said(one["description"], one["schema"])),
        )
        for one in given
    ]
    return _table("Parameters", ("Name", "In", "Value", "Meaning"), rows)


def _said(description: str, schema: Json) -> str:
    return meaning_of(schema | {"description": description}, {})


def _body(operation: Json, document: Json) -> Html:
    content = operation.get("requestBody", {}).get("content", {})
    return joined(
        *(
            joined(
                element("h4", "Body ", element("code", kind)),
                _fields(media["schema"], "Fields of the body", document),
            )
            for kind, media in content.items()
        )
    )


def _fields(schema: Json, caption: str, document: Json) -> Html:
    rows = [_field(row, document) for row in rows_of(schema)]
    return _table(caption, ("Field", "Value", "Meaning"), rows)


def _field(row: Row, document: Json) -> Html:
    marks = [element("em", " required")] if row.required else []
    meaning = meaning_of(row.schema, document["components"]["schemas"])
    return _row(joined(element("code", row.path), *marks), _kind(row.schema), _prose(meaning))


def _kind(schema: Json) -> Html:
    return joined(
        *(
            element("a", str(word), href=f"#schema-{word}") if isinstance(word, Named) else word
            for word in kind_of(schema)
        )
    )


def _answers(operation: Json, document: Json) -> Html:
    errors = document["components"]["examples"]
    return joined(
        element("h4", "Answers"),
        *(_answer(status, one, errors) for status, one in operation["responses"].items()),
    )


def _answer(status: str, answer: Json, errors: Json) -> Html:
    shown = [
        example
        for media in answer.get("content", {}).values()
        for example in media.get("examples", {}).values()
    ]
    codes = [one["$ref"].rpartition("/")[2] for one in shown if "$ref" in one]
    if codes:
        return element("p", element("b", status), " ", *_links(codes, errors), class_="answer")
    return joined(
        element("p", element("b", status), " ", _prose(answer["description"]), _media(answer)),
        *(_example(one) for one in shown),
    )


def _links(codes: list[str], errors: Json) -> Iterator[str]:
    for place, code in enumerate(codes):
        yield ", " if place else ""
        title = errors[code]["summary"]
        yield element("a", element("code", code), href=f"#error-{code}", title=title)


def _media(answer: Json) -> Html:
    kinds = ", ".join(answer.get("content", {}))
    return joined(" ", element("code", kinds)) if kinds else joined()


def _example(shown: Json) -> Html:
    value = shown["value"]
    text = value if isinstance(value, str) else json.dumps(value, indent=2)
    return element(
        "details",
        element("summary", f"Example: {shown['summary']}"),
        element("pre", element("code", text), tabindex=0),
    )


def _errors(document: Json, operations: list[Shown]) -> Html:
    known = document["components"]["examples"]
    statuses = {
        one["$ref"].rpartition("/")[2]: status
        for shown in operations
        for status, answer in shown.operation["responses"].items()
        for media in answer.get("content", {}).values()
        for one in media.get("examples", {}).values()
        if "$ref" in one
    }
    rows = [
        _row(
            element("code", code, id=f"error-{code}"),
            statuses[code],
            _prose(known[code]["summary"]),
        )
        for code in sorted(known, key=lambda code: (statuses[code], code))
    ]
    body = _example({"summary": "the body of an error", "value": known["invalid-fields"]["value"]})
    table = _table("Every error", ("Code", "Status", "What it says"), rows)
    said = element("p", "Every error is answered with the same body.")
    return element("section", element("h2", "Errors"), said, body, table, id="errors")


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
    fields = (
        _fields(shape, f"Fields of {name}", document)
        if shape.get("properties")
        else element("p", _kind(shape))
    )
    heading = element("h3", name, id=f"schema-{name}")
    return element("article", heading, element("p", _prose(shape.get("description", ""))), fields)


def _row(*cells: str) -> Html:
    first, *others = cells
    return element(
        "tr", element("th", first, scope="row"), *(element("td", cell) for cell in others)
    )


def _table(caption: str, heads: Iterable[str], rows: list[Html]) -> Html:
    if not rows:
        return joined()
    top = element("tr", *(element("th", head, scope="col") for head in heads))
    table = element(
        "table",
        element("caption", caption),
        element("thead", top),
        element("tbody", *rows),
    )
    return element("div", table, class_="wide", role="region", aria_label=caption, tabindex=0)
