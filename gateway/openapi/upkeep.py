"""The operations that are about the service itself."""

from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.samples import API
from gateway.openapi.words import Json, exactly, example, json_of, ref, several, text
from models.errors import NotFound

HEALTH_CURL = """\
curl "$API/healthz"
"""


REFERENCE_CURL = """\
curl "$API/docs/openapi.json"
"""
GUIDE_CURL = """\
curl "$API/api/docs/images"
"""
INDEX_CURL = """\
curl "$API/api/docs" \\
  -H "Accept: application/json"
"""

TAG = "Service"


def paths() -> Paths:
    """Every such path."""
    return {
        "/healthz": {"get": _health()},
        "/docs": {"get": _reference()},
        "/docs/openapi.json": {"get": _document()},
        "/api/docs": {"get": _index()},
        "/api/docs/{topic}": {"get": _topic()},
    }


def _health() -> Operation:
    shown = {"alive": example("Alive", {"status": "ok"})}
    shape = exactly("That it is alive.", status={"const": "ok"})
    return Operation(
        name="health",
        tag=TAG,
        summary="Ask whether it is alive",
        text="For whoever restarts what died.",
        answers={OK: answer("It is.", json_of(shape, examples=shown))},
        samples=(("Ask", HEALTH_CURL),),
    )


def _reference() -> Operation:
    return Operation(
        name="showReference",
        tag=TAG,
        summary="Read the reference",
        text="This reference as a web page, which needs no script and nothing from elsewhere.",
        takes=("If-None-Match",),
        answers=_kept({"text/html": {"schema": {"type": "string"}}}),
    )


def _document() -> Operation:
    return Operation(
        name="showDocument",
        tag=TAG,
        summary="Get the OpenAPI document",
        text="This reference as OpenAPI 3.1.",
        takes=("If-None-Match",),
        answers=_kept(json_of({"type": "object"})),
        samples=(("The document", REFERENCE_CURL),),
    )


def _index() -> Operation:
    page = exactly(
        "A page.",
        topic=text("Its name."),
        title=text("Its title."),
        url=text("Where it is.", format="uri"),
    )
    shape = exactly("The guide.", title=text("Its title."), pages=several(page, "Its pages."))
    listed = {"topic": "images", "title": "Images", "url": f"{API}/api/docs/images"}
    shown = {"one": example("A page", {"title": "Calotype", "pages": [listed]})}
    return Operation(
        name="showGuide",
        tag=TAG,
        summary="List the pages of the guide",
        text="As Markdown, or as JSON for who accepts that rather.",
        takes=("If-None-Match",),
        answers=_kept(json_of(shape, examples=shown) | _markdown()),
        samples=(("As data", INDEX_CURL),),
    )


def _topic() -> Operation:
    shape = exactly(
        "A page.", topic=text("Its name."), title=text("Its title."), text=text("It, as Markdown.")
    )
    page = {"topic": "images", "title": "Images", "text": "# Images"}
    shown = {"one": example("A page", page)}
    return Operation(
        name="showTopic",
        tag=TAG,
        summary="Read a page of the guide",
        text="As Markdown, or within JSON for who accepts that rather.",
        takes=("topic", "If-None-Match"),
        answers=_kept(json_of(shape, examples=shown) | _markdown()),
        causes=(NotFound,),
        samples=(("About images", GUIDE_CURL),),
    )


def _markdown() -> Json:
    return {"text/markdown": {"schema": {"type": "string"}}}


def _kept(content: Json) -> dict[str, Json]:
    """An answer with an ETag, and the one that says it is still that."""
    headers = {name: ref(name, "headers") for name in ("ETag", "Cache-Control")}
    return {OK: answer("It.", content) | {"headers": headers}, **unchanged()}


def unchanged() -> dict[str, Json]:
    """The answer to who has it already."""
    return {"304": {"description": "It is still what your ETag says.", "headers": {}}}
