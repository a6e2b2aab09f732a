"""Who is asking: one guard, before the body is read, for every route that says what it needs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from sqlmodel import Session

from gateway.rates import Strangers, count_request
from gateway.voices import is_about_photos
from models.accounts import KEY_START, Caller, authenticate, digest_of
from models.columns import now, storable
from models.errors import MissingPermission, NotFound, Unauthorized, UnknownToken
from models.users import authenticate_token
from pipeline.services import Services

AnyConnection = ASGIConnection[Any, Any, Any, Any]

_SCHEMES = ("token", "bearer")


async def guard(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let in who has the permission that the route's `opt` names under `needs`.

    A function there is asked which one this request needs.

    Leaves the Caller in the connection's state. Raises Unauthorized, MissingPermission or
    TooManyRequests.
    """
    needed = handler.opt.get("needs")
    if needed is None:
        return
    if not storable(connection.scope["path"]):
        raise NotFound  # no id of ours is such a text
    services: Services = connection.app.state.services
    caller = await _known(connection, services)
    if callable(needed):
        needed = needed(connection)
    await count_request(connection, caller, needed)
    if needed not in caller.permissions:
        raise MissingPermission(needed)
    connection.state.caller = caller


async def _known(connection: AnyConnection, services: Services) -> Caller:
    """Who is asking; an address that sends many wrong keys is not asked for long."""
    strangers: Strangers = connection.app.state.strangers
    authorization = connection.headers.get("authorization", "")
    address = connection.client.host if connection.client else ""
    strangers.check(address, authorization)
    try:
        if is_about_photos(connection):
            caller = await identify_token(authorization, services)
        else:
            caller = await identify(authorization, services)
    except Unauthorized:
        if authorization:
            strangers.wrong(address)
        raise
    strangers.right(authorization)
    return caller


async def identify(authorization: str, services: Services) -> Caller:
    """Who an Authorization header speaks for, or Unauthorized."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized
    caller = await _asked(authenticate, key.strip(), services)
    if caller is None:
        raise Unauthorized
    return caller


async def identify_token(authorization: str, services: Services) -> Caller:
    """Who `<token>`, `Token <token>` or `Bearer <token>` speaks for: a user's token, or a key."""
    scheme, space, rest = authorization.strip().partition(" ")
    token = rest.strip() if space else scheme
    if not token or (space and scheme.lower() not in _SCHEMES):
        raise UnknownToken
    ask = authenticate if token.startswith(KEY_START) else authenticate_token
    caller = await _asked(ask, token, services)
    if caller is None:
        raise UnknownToken
    return caller


async def _asked(
    ask: Callable[[Session, str, datetime], Caller | None], secret: str, services: Services
) -> Caller | None:
    return await services.database.read(ask, digest_of(secret, services.secret), now())
