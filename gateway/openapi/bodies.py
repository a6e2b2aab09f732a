"""JSON bodies, from the values that handlers read them as."""

from typing import Any

import msgspec

from gateway.openapi.words import Json, example
from models.wire import Wire


def body_of(kind: type[Wire], summary: str, value: Json) -> Json:
    """The request body that is read as a `kind`, with an example."""
    content = {"schema": schema_of(kind), "examples": {"usual": example(summary, value)}}
    return {"required": True, "content": {"application/json": content}}


def schema_of(kind: type[Wire]) -> Json:
    """The schema of a body, written out where it is used."""
    (schema,), shapes = msgspec.json.schema_components([kind], ref_template="{name}")
    shape: dict[str, Any] = dict(shapes[schema["$ref"]])
    shape.pop("title", None)
    return shape
