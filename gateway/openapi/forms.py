"""Multipart bodies: a table of every field there is, and the form of an operation."""

from collections.abc import Mapping, Sequence

from gateway.asked import LONGEST, NAMING
from gateway.form import FILE_PARTS, LARGEST_FIELD, MOST_PARTS
from gateway.openapi.words import Json, ref, text

_FILE = {
    "description": "The picture. What it is, is told from its bytes alone.",
    "contentMediaType": "application/octet-stream",
}


def form_of(
    names: Sequence[str],
    *,
    needs_source: bool = False,
    required: Sequence[str] = (),
    example: Json,
) -> Json:
    """A form of these text fields and a file. `needs_source`: it must have a file or a URL."""
    fields = _fields()
    properties = {part: _file(part) for part in FILE_PARTS} | {name: fields[name] for name in names}
    schema: Json = {
        "type": "object",
        "description": (
            f"At most {MOST_PARTS} parts in any order; each text at most {LARGEST_FIELD} bytes. "
            "An empty field is the same as none."
        ),
        "properties": properties,
        "additionalProperties": False,
    }
    if needs_source:
        schema["anyOf"] = [{"required": [name]} for name in (*FILE_PARTS, "url")]
    if required:
        schema["required"] = list(required)
    media = {"schema": schema, "encoding": _encoding(properties), "example": example}
    return {"required": True, "content": {"multipart/form-data": media}}


def _file(part: str) -> Json:
    if part == FILE_PARTS[0]:
        return _FILE
    return _FILE | {"description": f"Another name for `{FILE_PARTS[0]}`: send one of the two."}


def _fields() -> Mapping[str, Json]:
    return {
        "prompt": text("What the picture is to show.", maxLength=LONGEST["prompt"], minLength=1),
        "aiConfig": _json_text(
            "How the model works, as JSON. Line breaks in its texts and a comma at the end are "
            "forgiven.",
            ref("AiConfig"),
        ),
        "name": text("What to call it; otherwise the file's own name.", maxLength=LONGEST["name"]),
        "description": text("Words about it.", maxLength=LONGEST["description"]),
        "galleries": _json_text(
            "The ids of the galleries it belongs to. In an update it leaves all others; `[]` "
            "takes it out of every gallery.",
            {"type": "array", "items": {"type": "string"}},
        ),
        "bucketKey": text("The bucket to keep it in; otherwise the account's primary one."),
        "prefix": text("Folders below the bucket's own, as `holidays/2026/`."),
        "storageKeyHandling": {
            "enum": list(NAMING),
            "default": NAMING[0],
            "description": (
                "`replace` (or `default`) keeps every object key and shows the new bytes under "
                "it; `unique` makes new keys, and the old ones are gone."
            ),
        },
        "url": text(
            "Where to fetch the picture: http or https, a public address, port 80 or 443. A file "
            "in the same form goes first.",
            maxLength=LONGEST["url"],
        ),
        "contentType": text(
            "A hint at the picture's media type. It is kept, not trusted.",
            maxLength=LONGEST["contentType"],
        ),
        "ratio": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Width / height to crop to before anything is resized, as 1.777.",
        },
        "resizeOptions": _json_text(
            "Sizes as JSON: an array, or a single object.", ref("ResizeOptionsField")
        ),
        "formatOptions": _json_text(
            "Formats as JSON: an array, or a single object. Without it: webp.",
            ref("FormatOptionsField"),
        ),
    }


def _json_text(description: str, schema: Json) -> Json:
    """A text field that holds JSON."""
    kind = "application/json"
    return text(description, contentMediaType=kind, contentSchema=schema)


def _encoding(properties: Mapping[str, Json]) -> Json:
    return {
        name: {"contentType": "image/*, application/octet-stream"}
        for name in properties
        if name in FILE_PARTS
    }
