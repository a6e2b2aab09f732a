"""JSON Schema in a few words: small functions that give small dictionaries."""

from typing import Any

Json = dict[str, Any]


def ref(name: str, kind: str = "schemas") -> Json:
    """A pointer to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def text(description: str, **more: object) -> Json:
    """A string."""
    return {"type": "string", "description": description, **more}


def integer(description: str, **more: object) -> Json:
    """A whole number."""
    return {"type": "integer", "description": description, **more}


def number(description: str, **more: object) -> Json:
    """A number."""
    return {"type": "number", "description": description, **more}


def truth(description: str, **more: object) -> Json:
    """True or false."""
    return {"type": "boolean", "description": description, **more}


def several(items: Json, description: str, **more: object) -> Json:
    """An array."""
    return {"type": "array", "items": items, "description": description, **more}


def exactly(description: str, /, **fields: Json) -> Json:
    """An object that always has all of these fields and no others."""
    return some_of(description, tuple(fields), **fields)


def some_of(description: str, needed: tuple[str, ...], /, **fields: Json) -> Json:
    """An object that has no fields but these, and always the `needed` ones."""
    shape: Json = {"type": "object", "description": description, "properties": fields}
    if needed:
        shape["required"] = list(needed)
    return shape | {"additionalProperties": False}


def or_null(schema: Json) -> Json:
    """The same, or null."""
    kind = schema["type"]
    return schema | {"type": [*(kind if isinstance(kind, list) else [kind]), "null"]}


def moment(description: str) -> Json:
    """A date and time, ISO 8601 with milliseconds and Z."""
    return text(description, format="date-time")


def json_of(schema: Json, **more: object) -> Json:
    """The content of a JSON body."""
    return {"application/json": {"schema": schema, **more}}


def example(summary: str, value: object) -> Json:
    """One named example."""
    return {"summary": summary, "value": value}
