"""Row 3: the folder of the stream is deleted under load, and the database fills a new one."""

import asyncio
import contextlib
import shutil
import time
from datetime import datetime
from functools import partial

from sqlmodel import Session, func, select

from models.columns import now
from models.records import Order
from tests.prove.audit import audit, settled, swept
from tests.prove.load import Load, Mix
from tests.prove.row import Ground, Outcome, Row
from tests.prove.site import Kind, Site, site
from tests.prove.waiting import becomes_so

_MIX = Mix(upload=2, burst=6, leave=0, look=0)
_PROMISED = 60.0
_PATIENCE = 180.0


def prove(kind: Kind, ground: Ground) -> Outcome:
    """On one kind of database."""
    return asyncio.run(_prove(kind, ground))


async def _prove(kind: Kind, ground: Ground) -> Outcome:
    slowest, waiting = 0.0, 0
    async with site(kind, ground.folder) as system:
        load = Load(system.apis, system.edges, system.key, mix=_MIX, clients=6, seed=ground.seed)
        async with load.running() as books:
            for number in range(ground.times(5, short=1)):
                await load.until(len(books.uploads) + ground.times(60, short=8), 120)
                moment = now()
                waiting += await _pending(system, moment)
                await _wipe(system, number)
                seconds = await _caught_up(system, moment)
                ground.say(f"stream {number + 1} lost, what waited was done after {seconds:.1f} s")
                slowest = max(slowest, seconds)
        await settled(system)
        await swept(system)
        found = await asyncio.to_thread(audit, system, books)
    if slowest > _PROMISED:
        books.problems.append(f"the backlog took {slowest:.0f} s")
        found = found._replace(problems=(*found.problems, books.problems[-1]))
    figures = {"waited when lost": waiting, "done after at most, s": round(slowest, 1)}
    return found.outcome(streams=ground.times(5, short=1), **figures)


async def _wipe(system: Site, number: int) -> None:
    """By turns: the server is killed and its folder deleted; the other way round; all at once."""
    if number % 3 == 1:
        shutil.rmtree(system.stream, ignore_errors=True)  # under the living server
        await asyncio.sleep(1)
        system.kill_nats()
        return
    if number % 3 == 2:
        system.role("pipeline").kill()
    system.lose_stream()


async def _pending(system: Site, before: datetime) -> int:
    def count(session: Session) -> int:
        query = select(func.count()).where(Order.state == "pending", Order.created_at <= before)
        return int(session.exec(query).one())

    with contextlib.closing(system.database()) as database:
        return await database.read(count)


async def _caught_up(system: Site, moment: datetime) -> float:
    """Seconds until every order that was accepted before the loss has come to its end."""
    began = time.monotonic()

    async def done() -> bool:
        return not await _pending(system, moment)

    await becomes_so(done, _PATIENCE)
    return time.monotonic() - began


def _row(kind: Kind) -> Row:
    promise = "the stream's folder deleted 5 times under load: nothing lost, done within 60 s"
    return Row("3", f"stream-{kind}", promise, partial(prove, kind), lane=kind)


SQLITE, POSTGRES = _row("sqlite"), _row("postgres")
