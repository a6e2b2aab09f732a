"""Schemas as people read them: in a few words, and as rows of a table."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from gateway.openapi.words import Json

_MOST_CHOICES = 40


class Named(str):
    """A schema that is described elsewhere, by its name."""

    __slots__ = ()


class Row(NamedTuple):
    """One field: its path, whether it must be there, and its schema."""

    path: str
    required: bool
    schema: Json


def kind_of(schema: Json) -> list[str]:
    """What a value must be, as words and names of schemas, to be put one after the other."""
    if "$ref" in schema:
        return [Named(schema["$ref"].rpartition("/")[2])]
    if "contentSchema" in schema:
        return ["JSON: ", *kind_of(schema["contentSchema"])]
    if schema.get("contentMediaType"):
        return ["file"]
    for choice in ("anyOf", "oneOf"):
        if choice in schema and "type" not in schema:
            return _either([kind_of(one) for one in schema[choice]])
    if schema.get("type") == "array":
        return ["array of ", *kind_of(schema["items"])]
    return [_plain(schema)]


def _either(kinds: list[list[str]]) -> list[str]:
    first, *others = kinds
    return first + [word for kind in others for word in (" or ", *kind)]


def _plain(schema: Json) -> str:
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return _choices(schema["enum"])
    kind = schema.get("type", "value")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{name}{_bounds(schema)}"


def _choices(values: list[object]) -> str:
    shown = ", ".join(json.dumps(value) for value in values[:_MOST_CHOICES])
    return shown if len(values) <= _MOST_CHOICES else f"{shown}, ..."


def _bounds(schema: Json) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" {least} to {most}"
    if least is not None:
        return f" from {least}"
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']}"
    if "maxLength" in schema:
        return f", at most {schema['maxLength']} characters"
    return f", {schema['format']}" if "format" in schema else ""


def rows_of(schema: Json, prefix: str = "") -> Iterator[Row]:
    """The fields of an object, those of objects within it below their own."""
    needed = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield Row(f"{prefix}{name}", name in needed, field)
        yield from rows_of(field, f"{prefix}{name}.")


def meaning_of(schema: Json, shapes: Json) -> str:
    """What a field is for, and what it is when it is not given."""
    target = shapes.get(schema.get("$ref", "").rpartition("/")[2], {})
    said: str = schema.get("description") or target.get("description", "")
    if "default" in schema:
        return f"{said} Default: {json.dumps(schema['default'])}.".strip()
    return said
