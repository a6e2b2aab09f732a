"""Objects that belong to nobody are found and deleted, a bounded number at a time."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import NamedTuple

from sqlmodel import Session

from models.failpoint import failpoint
from models.orphans import Sorted
from pipeline.reconcile.findings import Report
from pipeline.reconcile.scene import Scene
from pipeline.storage import Stored, is_litter

BATCH = 500


class Swept(NamedTuple):
    """What is below a prefix, when it is old enough, and which of it belongs to nobody."""

    prefix: str
    kind: str
    age: timedelta
    sort: Callable[[Session, list[str]], Sorted]


async def swept(what: Swept, scene: Scene, report: Report) -> None:
    """Delete what belongs to nobody. The listing is in no order and as long as it likes."""
    batch: list[str] = []
    async for stored in _old(what, scene):
        report.looked(what.kind, 1)
        if is_litter(stored.key):
            await _delete(scene, report, "litter", [stored.key])
            continue
        batch.append(stored.key)
        if len(batch) == BATCH:
            await _judge(batch, what, scene, report)
            batch = []
    if batch:
        await _judge(batch, what, scene, report)


async def _old(what: Swept, scene: Scene) -> AsyncIterator[Stored]:
    before = scene.before(what.age).timestamp()
    async for stored in scene.storage.list_under(what.prefix):
        if stored.modified < before:
            yield stored


async def _judge(keys: list[str], what: Swept, scene: Scene, report: Report) -> None:
    unowned, strangers = await scene.database.read(what.sort, keys)
    await _delete(scene, report, what.kind, unowned)
    for key in strangers:
        report.add("strangers", key)


async def _delete(scene: Scene, report: Report, kind: str, keys: list[str]) -> None:
    if keys and not scene.dry:
        await scene.storage.delete(keys)
        failpoint("R2.swept")
    for key in keys:
        report.add(kind, key)
