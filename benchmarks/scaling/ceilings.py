"""What one stream, one database and one account's row carry, whatever stands around them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from sqlmodel import Session, col, update

from benchmarks.scaling.embedded import System
from models.accounts import open_account
from models.database import Database, open_database
from models.events import EVENTS
from models.records import Account, new_id
from pipeline.bus import connect

_AT_ONCE: Final = 32
_SECONDS: Final = 3.0


async def measured(system: System) -> dict[str, float]:
    """Times a second, by what."""
    name = system.shape.system
    found = {f"{name}: messages of one stream": await _messages(system)}
    with contextlib.closing(open_database(system.database_url, system.data, 2 * _AT_ONCE)) as base:
        accounts = [await base.run(_account) for _ in range(_AT_ONCE)]
        found[f"{name}: commits on one account"] = await _commits(base, accounts[:1])
        found[f"{name}: commits on many accounts"] = await _commits(base, accounts)
    return found


async def _messages(system: System) -> float:
    async with contextlib.aclosing(await connect(*system.nats)) as bus:
        return await _rate(lambda _: bus.publish(f"{EVENTS}.benchmark", b"x" * 200, new_id()))


async def _commits(database: Database, accounts: list[str]) -> float:
    return await _rate(lambda number: database.run(_touch, accounts[number % len(accounts)]))


async def _rate(work: Callable[[int], Awaitable[object]]) -> float:
    """Times a second, so many at once for a few seconds."""
    clock = time.perf_counter
    began, done = clock(), 0

    async def worker(number: int) -> None:
        nonlocal done
        while clock() - began < _SECONDS:
            await work(number)
            done += 1

    await asyncio.gather(*map(worker, range(_AT_ONCE)))
    return done / (clock() - began)


def _account(session: Session) -> str:
    return open_account(session, f"benchmark-{new_id()}", 0, 0).id


def _touch(session: Session, account_id: str) -> None:
    row = update(Account).where(col(Account.id) == account_id)
    session.exec(row.values(storage_used=Account.storage_used))
