"""API keys: list, make, change, revoke."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Router, delete, get, patch, post
from msgspec import UNSET, Meta, UnsetType, field
from sqlmodel import Session

from gateway.json_body import check_title, read_body
from gateway.views import Json, key_view
from models.accounts import READ_ONLY, Caller, digest_of, list_keys, new_key
from models.errors import InvalidFields, Problem
from models.granting import Asked, Term, change_key, end_key, make_key
from models.wire import Wire
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
Title = Annotated[str, Meta(min_length=1, max_length=256)]
Permissions = Annotated[list[str], Meta(min_length=1, max_length=64)]
Moment = Annotated[datetime, Meta(tz=True)]


class NewKey(Wire, frozen=True):
    """What is asked for when a key is made."""

    name: Title
    permissions: Permissions = field(default_factory=lambda: list(READ_ONLY))
    expires_at: Moment | None = None


class KeyChange(Wire, frozen=True):
    """What of a key is to be different; an `expiresAt` of null is never."""

    name: Title | UnsetType = UNSET
    permissions: Permissions | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET


@get("/keys", opt={"needs": "keys-manage"})
async def show_all(services: Services, caller: Caller) -> Json:
    """Every key of the account, oldest first, revoked ones too; none in clear."""

    def read(session: Session) -> Json:
        return {"keys": [key_view(key) for key, _ in list_keys(session, caller.account_id)]}

    return await services.database.read(read)


@post("/keys", opt={"needs": "keys-manage"}, status_code=200)
async def make(request: AnyRequest, services: Services, caller: Caller) -> Json:
    """Make a key. Its `secret` is in this answer and nowhere else."""
    asked = _asked(await read_body(request, NewKey))
    secret = new_key()
    digest = digest_of(secret, services.secret)
    key = await services.database.run(make_key, caller, asked, digest, secret[-4:])
    return {"key": key_view(key) | {"secret": secret}}


@patch("/keys/{key_id:str}", opt={"needs": "keys-manage"})
async def change(key_id: str, request: AnyRequest, services: Services, caller: Caller) -> Json:
    """Change a key's name, permissions or end; its secret stays."""
    asked = _asked(await read_body(request, KeyChange))
    if asked == Asked(None, None, None):
        problem = "is missing: give a name, permissions or expiresAt"
        raise InvalidFields([Problem(field="name", problem=problem)])
    return {"key": key_view(await services.database.run(change_key, caller, key_id, asked))}


@delete("/keys/{key_id:str}", opt={"needs": "keys-manage"}, status_code=200)
async def revoke(key_id: str, services: Services, caller: Caller) -> None:
    """Revoke a key: its next request is refused. A key may revoke itself."""
    await services.database.run(end_key, caller.account_id, key_id)


def _asked(body: NewKey | KeyChange) -> Asked:
    name = None if body.name is UNSET else body.name
    if name is not None:
        check_title("name", name)
    return Asked(
        name=name,
        permissions=None if body.permissions is UNSET else body.permissions,
        term=None if body.expires_at is UNSET else Term(body.expires_at),
    )


routes = Router("/", route_handlers=[show_all, make, change, revoke])
