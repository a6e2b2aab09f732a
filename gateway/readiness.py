"""Whether a process may be given work: what its role needs, and which of that is missing."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlmodel import Session

from gateway.operators import Standing
from models.errors import ServiceError
from pipeline.services import Services

OK = "ok"
_SECONDS = 3.0

Check = Callable[[Services], Awaitable[object]]


async def _database(services: Services) -> None:
    await services.database.read(_one)


def _one(session: Session) -> None:
    session.connection().execute(text("SELECT 1"))


async def _nats(services: Services) -> None:
    await services.bus.ask("INFO")


async def _objects(services: Services) -> None:
    await services.stores.own.check()


CHECKS: dict[str, Check] = {"database": _database, "nats": _nats, "objects": _objects}


async def standing(role: str, services: Services) -> Standing:
    """Ready when nothing is missing. An edge is anyway: it serves what it has without any of it."""
    said = await asyncio.gather(*(_said(check, services) for check in CHECKS.values()))
    checks = dict(zip(CHECKS, said, strict=True))
    well = all(one == OK for one in said)
    return Standing(ready=well or role == "edge", role=role, checks=checks)


async def _said(check: Check, services: Services) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await check(services)
    except TimeoutError:
        return f"does not answer within {_SECONDS:g} seconds"
    except ServiceError as error:
        return str(error)
    return OK
