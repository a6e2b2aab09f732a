"""Pieces of the reference's page: prose, tables, examples."""

import json
from collections.abc import Iterable

from gateway.markup import Html, element, joined
from gateway.openapi.prose import Named, Row, kind_of, meaning_of, rows_of
from gateway.openapi.words import Json


def prose(text: str) -> Html:
    """Text in which backticks mark code."""
    pieces = text.split("`")
    return joined(*(element("code", one) if place % 2 else one for place, one in enumerate(pieces)))


def method_mark(method: str) -> Html:
    """A method, in its colour."""
    return element("b", method.upper(), class_=f"method {method}")


def kind(schema: Json) -> Html:
    """What a value must be, with links to schemas."""
    return joined(
        *(
            element("a", str(word), href=f"#schema-{word}") if isinstance(word, Named) else word
            for word in kind_of(schema)
        )
    )


def fields(schema: Json, caption: str, document: Json) -> Html:
    """A table of an object's fields."""
    rows = [_field(one, document) for one in rows_of(schema)]
    return table(caption, ("Field", "Value", "Meaning"), rows)


def _field(one: Row, document: Json) -> Html:
    marks = [element("em", " required")] if one.required else []
    meaning = meaning_of(one.schema, document["components"]["schemas"])
    return row(joined(element("code", one.path), *marks), kind(one.schema), prose(meaning))


def row(*cells: str) -> Html:
    """One row, headed by its first cell."""
    first, *others = cells
    return element(
        "tr", element("th", first, scope="row"), *(element("td", cell) for cell in others)
    )


def table(caption: str, heads: Iterable[str], rows: list[Html]) -> Html:
    """A table that scrolls when it is too wide; nothing when it is empty."""
    if not rows:
        return joined()
    top = element("tr", *(element("th", head, scope="col") for head in heads))
    inside = element(
        "table",
        element("caption", caption),
        element("thead", top),
        element("tbody", *rows),
    )
    return element("div", inside, class_="wide", role="region", aria_label=caption, tabindex=0)


def shown_example(shown: Json) -> Html:
    """An example, folded away."""
    value = shown["value"]
    text = value if isinstance(value, str) else json.dumps(value, indent=2)
    return element(
        "details",
        element("summary", f"Example: {shown['summary']}"),
        element("pre", element("code", text), tabindex=0),
    )


def slug(name: str) -> str:
    """A name as the end of an address."""
    return name.lower()
