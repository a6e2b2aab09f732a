"""Presets: conversions by a name of the account's own."""

from typing import Any

from litestar import Request, Router, delete, get, put
from sqlmodel import Session

from cdn_edge.grammar import PRESET_NAME, read_pairs, write_pairs
from gateway.edge_urls import read_parameters
from gateway.json_body import read_body
from gateway.views import Json, iso
from models.accounts import Caller
from models.errors import InvalidFields, Problem
from models.policies import delete_preset, find_preset, list_presets, put_preset
from models.records import Preset
from models.wire import Wire
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]


class NewPreset(Wire, frozen=True):
    """What a preset stands for."""

    parameters: dict[str, str | int | float]


@get("/presets", opt={"needs": "images-read"})
async def show_all(services: Services, caller: Caller) -> Json:
    """The account's presets, by name."""

    def read(session: Session) -> Json:
        return {"presets": [preset_view(one) for one in list_presets(session, caller.account_id)]}

    return await services.database.read(read)


@get("/presets/{name:str}", opt={"needs": "images-read"})
async def show(name: str, services: Services, caller: Caller) -> Json:
    """One preset."""
    found = await services.database.read(find_preset, caller.account_id, name)
    return {"preset": preset_view(found)}


@put("/presets/{name:str}", opt={"needs": "buckets-manage"}, status_code=200)
async def store(name: str, request: AnyRequest, services: Services, caller: Caller) -> Json:
    """Make a preset, or change what it stands for: addresses that name it follow."""
    if not PRESET_NAME.fullmatch(name):
        problem = "must be 1 to 64 lower-case letters, digits, '_' and '-', as 'card'"
        raise InvalidFields([Problem(field="name", problem=problem)])
    body = await read_body(request, NewPreset)
    text = write_pairs(read_parameters(body.parameters, preset=True))
    stored = await services.database.run(put_preset, caller.account_id, name, text)
    return {"preset": preset_view(stored)}


@delete("/presets/{name:str}", opt={"needs": "buckets-manage"}, status_code=200)
async def remove(name: str, services: Services, caller: Caller) -> None:
    """Delete a preset: addresses that name it answer 404 from then on."""
    await services.database.run(delete_preset, caller.account_id, name)


def preset_view(preset: Preset) -> Json:
    """A preset, its parameters as text."""
    return {
        "name": preset.name,
        "parameters": dict(read_pairs(preset.parameters)),
        "updatedAt": iso(preset.updated_at),
    }


routes = Router("/", route_handlers=[show_all, show, store, remove])
