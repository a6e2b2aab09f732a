"""Who is asking: one guard, before the body is read, for every route that says what it needs."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from gateway.rates import Strangers, count_request
from models.accounts import Caller, authenticate, digest_of
from models.columns import now
from models.errors import MissingPermission, NotFound, Unauthorized
from pipeline.services import Services

AnyConnection = ASGIConnection[Any, Any, Any, Any]


async def guard(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let in who has the permission that the route's `opt` names under `needs`.

    A function there is asked which one this request needs.

    Leaves the Caller in the connection's state. Raises Unauthorized, MissingPermission or
    TooManyRequests.
    """
    needed = handler.opt.get("needs")
    if needed is None:
        return
    if "\0" in connection.scope["path"]:
        raise NotFound  # no id of ours has one in it, and Postgres takes no such text
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
    digest = digest_of(key.strip(), services.secret)
    caller = await services.database.read(authenticate, digest, now())
    if caller is None:
        raise Unauthorized
    return caller
