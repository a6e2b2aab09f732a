"""The operation that converts on the fly."""

from gateway.asked import CONVERT_FIELDS
from gateway.openapi.forms import form_of
from gateway.openapi.images import PIXEL_CAUSES
from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.words import Json
from models.options import FORMATS
from pipeline.prints import CONTENT_TYPES

CONVERT_CURL = """\
curl -X POST "$API/api/v1/convert" \\
  -H "Authorization: Bearer $API_KEY" \\
  -F 'resizeOptions={"width": 1024}' \\
  -F 'formatOptions={"format": "avif", "options": {"background": "#fff"}}' \\
  -F "image=@harbour.jpg" \\
  --output harbour.avif
"""


def paths() -> Paths:
    """The one path."""
    return {"/api/v1/convert": {"post": _convert()}}


def _convert() -> Operation:
    asked = {
        "url": "https://www.example.com/harbour.jpg",
        "resizeOptions": '{"width": 1024}',
        "formatOptions": '{"format": "avif"}',
    }
    return Operation(
        name="convertImage",
        tag="Convert",
        summary="Convert on the fly",
        text=(
            "Answers one file in one format and size; nothing is stored. It costs a credit when "
            "it succeeds, and none when the client leaves before. The same request with the same "
            "`Idempotency-Key` is made again at no cost."
        ),
        needs="images-convert-fly",
        takes=("Idempotency-Key",),
        body=form_of(CONVERT_FIELDS, needs_source=True, example=asked),
        answers={OK: _file()},
        causes=PIXEL_CAUSES,
        samples=(("A file", CONVERT_CURL),),
    )


def _file() -> Json:
    used = {"description": "Credits used.", "schema": {"type": "integer", "minimum": 0}}
    length = {"description": "Bytes.", "schema": {"type": "integer", "minimum": 1}}
    name = {"description": "A name to save it under.", "schema": {"type": "string"}}
    content: Json = {CONTENT_TYPES[kind]: {} for kind in FORMATS}
    return answer(
        "The file.",
        content,
        X_Credits_Used=used,
        Content_Length=length,
        Content_Disposition=name,
    )
