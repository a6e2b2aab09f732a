"""The operations on presets."""

from gateway.openapi import samples
from gateway.openapi.bodies import body_of
from gateway.openapi.images import nothing
from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.urls import PARAMETERS_MEANING
from gateway.openapi.words import Json, exactly, example, json_of, moment, ref, several, text
from gateway.presets import NewPreset
from models.errors import Conflict, NotFound

TAG = "Presets"

PUT_CURL = """\
curl -X PUT "$API/api/v1/presets/card" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"parameters": {"w": 400, "h": 300, "fm": "auto"}}'
"""


def shapes() -> dict[str, Json]:
    """The shapes of answers about presets."""
    parameters = {
        "type": "object",
        "description": "Parameters by name, as texts.",
        "additionalProperties": {"type": "string"},
    }
    return {
        "Preset": exactly(
            "A conversion with a name.",
            name=text("What addresses name it by."),
            parameters=parameters,
            updatedAt=moment("When it last changed."),
        ),
        "PresetAnswer": exactly("One preset.", preset=ref("Preset")),
        "PresetList": exactly("Presets.", presets=several(ref("Preset"), "By name.")),
    }


def paths() -> Paths:
    """Every path of presets, with its methods."""
    return {
        "/api/v1/presets": {"get": _list()},
        "/api/v1/presets/{name}": {"get": _show(), "put": _store(), "delete": _delete()},
    }


def _list() -> Operation:
    shown = {"one": example("One preset", {"presets": [samples.preset()]})}
    return Operation(
        name="listPresets",
        tag=TAG,
        summary="List presets",
        text="The account's presets.",
        needs="images-read",
        answers={OK: answer("The presets.", json_of(ref("PresetList"), examples=shown))},
    )


def _show() -> Operation:
    return Operation(
        name="getPreset",
        tag=TAG,
        summary="Get a preset",
        text="What a preset stands for.",
        needs="images-read",
        takes=("presetName",),
        answers={OK: answer("The preset.", _one())},
        causes=(NotFound,),
    )


def _store() -> Operation:
    asked = {"parameters": {"w": 400, "h": 300, "fm": "auto"}}
    return Operation(
        name="putPreset",
        tag=TAG,
        summary="Create or update a preset",
        text=(
            "Gives parameters a name. Addresses with `preset=` need no signature. When a preset "
            "changes, its addresses follow within a second."
        ),
        needs="buckets-manage",
        takes=("presetName", "Idempotency-Key"),
        body=body_of(NewPreset, {"parameters": PARAMETERS_MEANING}, asked),
        answers={OK: answer("The preset.", _one())},
        causes=(Conflict,),
        samples=(("A card", PUT_CURL),),
    )


def _one() -> Json:
    shown = {"one": example("A card", {"preset": samples.preset()})}
    return json_of(ref("PresetAnswer"), examples=shown)


def _delete() -> Operation:
    return Operation(
        name="deletePreset",
        tag=TAG,
        summary="Delete a preset",
        text="Addresses that name it answer 404 within a second.",
        needs="buckets-manage",
        takes=("presetName",),
        answers={OK: nothing("It is gone.")},
        causes=(NotFound,),
    )
