"""JSON bodies, from the values that handlers read them as."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.openapi.words import Json, example
from models.wire import Wire


def body_of(kind: type[Wire], meanings: Mapping[str, str], value: Json) -> Json:
    """The request body that is read as a `kind`, with an example.

    `meanings` says what each field is for: KeyError unless it does for all of them.
    """
    shown = {"usual": example("A request", value)}
    content = {"schema": schema_of(kind, meanings), "examples": shown}
    return {"required": True, "content": {"application/json": content}}


def schema_of(kind: type[Wire], meanings: Mapping[str, str]) -> Json:
    """The schema of a body, written out where it is used."""
    (schema,), shapes = msgspec.json.schema_components([kind], ref_template="{name}")
    shape: dict[str, Any] = dict(shapes[schema["$ref"]])
    shape.pop("title", None)
    fields = shape["properties"]
    described = {name: field | {"description": meanings[name]} for name, field in fields.items()}
    return shape | {"properties": described}
