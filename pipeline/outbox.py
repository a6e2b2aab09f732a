"""The relay: what a transaction announced is said on the bus until the bus has it."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlmodel import Session, and_, col, delete, or_, select, update

from models.columns import now
from models.database import Database
from models.errors import Unavailable
from models.events import DROPS
from models.failpoint import failpoint
from models.meter import Meter
from models.records import Outbox
from models.traces import span
from models.trail import following
from pipeline.bus import Bus

T = TypeVar("T")

# A row younger than this is still in the hands of the process that wrote it.
_GRACE = timedelta(seconds=3)
_SWEEP_SECONDS = 2.0
_KEPT = timedelta(hours=1)
_DROPS_KEPT = timedelta(hours=25)
_BATCH = 256
# What is said within this time is marked in one transaction: a mark that is late says it again.
_MARK_SECONDS = 0.1


class Relay:
    """Publishes this process's announcements at once, and everybody's forgotten ones soon.

    A message may be said twice (its id is the same both times), never not at all.
    """

    def __init__(self, database: Database, bus: Bus, meter: Meter | None = None) -> None:
        self._database = database
        self._bus = bus
        self._meter = meter or Meter()
        self._fresh: asyncio.Queue[Outbox] = asyncio.Queue()
        self._said: asyncio.Queue[str] = asyncio.Queue()
        database.on_announced(self._take)

    def _take(self, rows: Sequence[Outbox]) -> None:
        for row in rows:
            self._fresh.put_nowait(row)

    async def run(self) -> None:
        """Relay until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_fresh())
            tasks.create_task(self._mark_for_ever())
            tasks.create_task(self._sweep_for_ever())

    async def _publish_fresh(self) -> None:
        while True:
            rows = [await self._fresh.get(), *_rest(self._fresh)]
            with contextlib.suppress(Unavailable):  # the sweep finds what stays unsent
                said = await _publish(rows, self._bus)
                for row_id in said:
                    self._said.put_nowait(row_id)
                self._count(len(rows), len(said))

    async def _mark_for_ever(self) -> None:
        while True:
            first = await self._said.get()
            await asyncio.sleep(_MARK_SECONDS)
            with contextlib.suppress(Unavailable):
                await _mark([first, *_rest(self._said)], self._database)

    async def _sweep_for_ever(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                while await self.sweep() == _BATCH:
                    pass
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self, grace: timedelta = _GRACE) -> int:
        """Publish some of what is unsent since longer than `grace`; how many rows were sent."""
        rows = await self._database.read(unsent_rows, now() - grace)
        said = await say_rows(rows, self._database, self._bus)
        self._count(len(rows), said)
        return said

    def _count(self, rows: int, said: int) -> None:
        self._meter.count("calotype_outbox_published_total", "said", by=said)
        self._meter.count("calotype_outbox_published_total", "failed", by=rows - said)


async def say_rows(rows: Sequence[Outbox], database: Database, bus: Bus) -> int:
    """Publish announcements and mark those that the bus has now; how many these are."""
    said = await _publish(rows, bus)
    await _mark(said, database)
    return len(said)


async def _publish(rows: Sequence[Outbox], bus: Bus) -> list[str]:
    failpoint("G3.before_publish")
    said = (_say(row, bus) for row in rows)
    outcomes = await asyncio.gather(*said, return_exceptions=True)
    sent = [row.id for row, error in zip(rows, outcomes, strict=True) if error is None]
    failpoint("G3.published")
    return sent


async def _say(row: Outbox, bus: Bus) -> None:
    with following(row.carried), span("publish"):
        await bus.publish(row.subject, row.payload, row.id)


async def _mark(ids: Sequence[str], database: Database) -> None:
    if ids:
        await database.run(mark_sent, ids)
        failpoint("G3.marked")


def _rest(queue: asyncio.Queue[T]) -> list[T]:
    """What is in a queue now."""
    return [queue.get_nowait() for _ in range(queue.qsize())]


def unsent_rows(session: Session, before: datetime) -> list[Outbox]:
    """Unsent rows written before a moment, oldest first, a bounded number."""
    unsent = select(Outbox).where(col(Outbox.sent_at).is_(None), Outbox.created_at < before)
    return list(session.exec(unsent.order_by(col(Outbox.created_at)).limit(_BATCH)))


def mark_sent(session: Session, ids: Sequence[str]) -> None:
    """Note that the bus has these."""
    session.exec(update(Outbox).where(col(Outbox.id).in_(ids)).values(sent_at=now()))


def forget_sent(session: Session) -> int:
    """Drop rows that were sent long ago; how many.

    Dropped objects are known by their announcement alone: it is kept for as long as they may wait.
    """
    old = col(Outbox.sent_at) < now() - _KEPT
    drops = col(Outbox.subject).startswith(f"{DROPS}.")
    done = and_(old, or_(~drops, col(Outbox.sent_at) < now() - _DROPS_KEPT))
    return int(session.exec(delete(Outbox).where(done)).rowcount)
