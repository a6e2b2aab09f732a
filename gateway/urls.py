"""Addresses of the edge that convert: signed ones, and the keys that sign."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Router, delete, get, post
from msgspec import Meta, field
from sqlmodel import Session

from gateway.edge_urls import (
    Signed,
    Signer,
    ToSign,
    make_url_key,
    read_parameters,
    sign_url,
)
from gateway.json_body import check_title, read_body
from gateway.views import Json, iso
from models.accounts import Caller
from models.granting import Term, refuse_past
from models.policies import delete_url_key, list_url_keys
from models.records import UrlKey
from models.wire import Wire
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
Title = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(min_length=1, max_length=2048)]
Moment = Annotated[datetime, Meta(tz=True)]


class NewUrl(Wire, frozen=True):
    """What is to be signed: an object or an address, what to make of it, and until when."""

    object_key: Text | None = None
    bucket_key: Text | None = None
    url: Text | None = None
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    expires_at: Moment | None = None
    key_id: Text | None = None


class NewUrlKey(Wire, frozen=True):
    """What a URL key is made from."""

    name: Title


@post("/urls", opt={"needs": "images-read"}, status_code=200)
async def sign(request: AnyRequest, services: Services, caller: Caller) -> Json:
    """An address that converts an image of the account, signed."""
    asked = await read_body(request, NewUrl)
    refuse_past(Term(asked.expires_at))
    order = ToSign(
        object_key=asked.object_key,
        url=asked.url,
        pairs=read_parameters(asked.parameters),
        bucket_key=asked.bucket_key,
        expires_at=asked.expires_at,
        key_id=asked.key_id,
    )
    signer = Signer(services.secret, services.settings.public_edge)
    made = await services.database.run(sign_url, caller.account_id, order, signer)
    return signed_view(made)


@get("/url-keys", opt={"needs": "keys-manage"})
async def show_keys(services: Services, caller: Caller) -> Json:
    """The account's URL keys, oldest first, without their secrets."""

    def read(session: Session) -> Json:
        return {"urlKeys": [url_key_view(key) for key in list_url_keys(session, caller.account_id)]}

    return await services.database.read(read)


@post("/url-keys", opt={"needs": "keys-manage"}, status_code=200)
async def make_key(request: AnyRequest, services: Services, caller: Caller) -> Json:
    """Make a URL key; from now on it is the one that signs. Its secret is told this once."""
    name = (await read_body(request, NewUrlKey)).name
    check_title("name", name)
    key, own = await services.database.run(make_url_key, caller.account_id, name, services.secret)
    return {"urlKey": url_key_view(key) | {"secret": own}}


@delete("/url-keys/{url_key_id:str}", opt={"needs": "keys-manage"}, status_code=200)
async def end_key(url_key_id: str, services: Services, caller: Caller) -> None:
    """Delete a URL key: the edge refuses what it signed, within a second."""
    await services.database.run(delete_url_key, caller.account_id, url_key_id)


def signed_view(made: Signed) -> Json:
    """A signed address."""
    ends = made.expires_at and iso(made.expires_at)
    return {"url": made.url, "keyId": made.key_id, "expiresAt": ends}


def url_key_view(key: UrlKey) -> Json:
    """A URL key, without its secret."""
    return {"id": key.id, "name": key.name, "createdAt": iso(key.created_at)}


routes = Router("/", route_handlers=[sign, show_keys, make_key, end_key])
