"""An operation as the reference's page shows it."""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.markup import Html, element, joined
from gateway.openapi.page_parts import fields, kind, method_mark, prose, row, shown_example, table
from gateway.openapi.prose import meaning_of
from gateway.openapi.words import Json


class Shown(NamedTuple):
    """An operation with where it is."""

    method: str
    path: str
    operation: Json

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return str(self.operation["operationId"])


def article(shown: Shown, document: Json) -> Html:
    """All that is said of an operation."""
    operation = shown.operation
    return element(
        "article",
        element("h3", element("a", operation["summary"], href=f"#{shown.anchor}")),
        element("p", method_mark(shown.method), " ", element("code", shown.path), class_="where"),
        element("p", prose(operation["description"])),
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
        row(
            element("code", one["name"]),
            one["in"],
            kind(one["schema"]),
            prose(_said(one["description"], one["schema"])),
        )
        for one in given
    ]
    return table("Parameters", ("Name", "In", "Value", "Meaning"), rows)


def _said(description: str, schema: Json) -> str:
    return meaning_of(schema | {"description": description}, {})


def _body(operation: Json, document: Json) -> Html:
    content = operation.get("requestBody", {}).get("content", {})
    return joined(
        *(
            joined(
                element("h4", "Body ", element("code", kind)),
                fields(media["schema"], "Fields of the body", document),
            )
            for kind, media in content.items()
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
        element("p", element("b", status), " ", prose(answer["description"]), _media(answer)),
        *(shown_example(one) for one in shown),
    )


def _links(codes: list[str], errors: Json) -> Iterator[str]:
    for place, code in enumerate(codes):
        yield ", " if place else ""
        title = errors[code]["summary"]
        yield element("a", element("code", code), href=f"#error-{code}", title=title)


def _media(answer: Json) -> Html:
    kinds = ", ".join(answer.get("content", {}))
    return joined(" ", element("code", kinds)) if kinds else joined()
