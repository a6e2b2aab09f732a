"""Who is asking: one guard, before the body is read, for every route that says what it needs."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from models.accounts import Caller, authenticate, digest_of
from models.columns import now
from models.errors import MissingPermission, Unauthorized
from pipeline.services import Services

AnyConnection = ASGIConnection[Any, Any, Any, Any]


async def guard(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let in who has the permission that the route's `opt` names under `needs`.

    A function there is asked which one this request needs.

    Raises Unauthorized or MissingPermission; leaves the Caller in the connection's state.
    """
    needed = handler.opt.get("needs")
    if needed is None:
        return
    services: Services = connection.app.state.services
    caller = await identify(connection.headers.get("authorization", ""), services)
    if callable(needed):
        needed = needed(connection)
    if needed not in caller.permissions:
        raise MissingPermission(needed)
    connection.state.caller = caller


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
