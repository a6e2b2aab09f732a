"""The operations that are about the service itself."""

from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.words import exactly, example, json_of

HEALTH_CURL = """\
curl "$API/healthz"
"""


def paths() -> Paths:
    """Every such path."""
    shown = {"alive": example("Alive", {"status": "ok"})}
    shape = exactly("That it is alive.", status={"const": "ok"})
    health = Operation(
        name="health",
        tag="Service",
        summary="Ask whether it is alive",
        text="For whoever restarts what died. Needs no key.",
        answers={OK: answer("It is.", json_of(shape, examples=shown))},
        samples=(("Ask", HEALTH_CURL),),
    )
    return {"/healthz": {"get": health}}
