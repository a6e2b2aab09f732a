"""What waits for a message is announced again when there is none: the stream may have lost it.

A row that waited before the stream was asked and waits after has a message there, unless it was
lost: nobody takes one out before what it asks for is done.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from models.failpoint import failpoint
from models.forgotten import (
    FindWaiting,
    Waiting,
    announce_again,
    lost_drops,
    unsay,
    unsent_subjects,
    waiting_buckets,
    waiting_orders,
    waiting_tombstones,
)
from pipeline.bus import NotThere
from pipeline.bus_queue import born, queued_subjects
from pipeline.outbox import say_rows, unsent_rows
from pipeline.reconcile.findings import Report
from pipeline.reconcile.scene import Scene

_WAITING: dict[str, FindWaiting] = {
    "orders": waiting_orders,
    "tombstones": waiting_tombstones,
    "buckets": waiting_buckets,
}

# The clocks of the bus and of the database may differ by this much.
_SKEW = timedelta(seconds=5)


async def send_unsent(scene: Scene, report: Report) -> None:
    """Say what the bus has not got, in the order in which it became true."""
    before = scene.before(scene.rules.announced)
    if scene.dry:
        for subject in await scene.database.read(unsent_subjects, before):
            report.add("unsent", subject)
        return
    while rows := await scene.database.read(unsent_rows, before):
        if not await say_rows(rows, scene.database, scene.bus):
            return
        for row in rows:
            report.add("unsent", row.subject)


async def announce_waiting(scene: Scene, report: Report) -> None:
    """Say again of orders, tombstones and deleted buckets without a message that they wait."""
    before = scene.before(scene.rules.announced)
    if not scene.dry:
        await _stand(scene)
    queued = await _queued(scene, before)
    for kind in _WAITING:
        async for page in _pages(scene, kind, before):
            lost = [one for one in page if one.subject not in queued]
            if lost and not scene.dry:
                await scene.database.run(announce_again, lost)
                failpoint("R1.announced")
            for one in lost:
                report.add(kind, one.id, f"waits since {one.since:%Y-%m-%d %H:%M:%S}")


async def _stand(scene: Scene) -> None:
    """A bus that lost its disk has no streams; nothing can be said before there are."""
    try:
        await born(scene.bus)
    except NotThere:
        await scene.bus.prepare()


async def _queued(scene: Scene, before: datetime) -> set[str]:
    """What has a message; who only looks has left unsent what will be one."""
    soon = await scene.database.read(unsent_subjects, before) if scene.dry else ()
    try:
        return {*await queued_subjects(scene.bus), *soon}
    except NotThere:
        return set(soon)


async def _pages(scene: Scene, kind: str, before: datetime) -> AsyncIterator[list[Waiting]]:
    last = None
    while page := await scene.database.read(_WAITING[kind], before, last):
        yield page
        last = page[-1]


async def say_lost_drops(scene: Scene, report: Report) -> None:
    """Have announced again what a stream knew that is gone now, and nobody else."""
    try:
        moment = await born(scene.bus)
    except NotThere:
        return
    lost = await scene.database.read(lost_drops, moment - _SKEW)
    if lost and not scene.dry:
        await scene.database.run(unsay, lost)
    for one in lost:
        report.add("drops", one)
