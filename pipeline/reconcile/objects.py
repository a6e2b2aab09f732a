"""Objects without rows are deleted, rows without objects are reported: loudly, and every time.

Only our own storage: what is in a customer's is the customer's to delete. A variant whose object is
gone cannot be made again, because its original is not kept: its row stays as the only trace of it.
"""

import structlog

from models.orphans import Placed, placed_objects, sort_objects, still_placed
from models.places import VARIANTS
from pipeline.reconcile.batches import Swept, swept
from pipeline.reconcile.findings import Report
from pipeline.reconcile.scene import Scene

log = structlog.get_logger(__name__)


async def sweep_objects(scene: Scene, report: Report) -> None:
    """Delete what no row names and no order is writing; leave alone what is not ours."""
    await swept(Swept(VARIANTS, "orphans", scene.rules.written, sort_objects), scene, report)


async def report_missing(scene: Scene, report: Report) -> None:
    """Report every variant whose object is not there."""
    after: str | None = ""
    while after is not None:
        rows, after = await scene.database.read(placed_objects, after)
        report.looked("missing", len(rows))
        gone = set(await scene.storage.missing([row.storage_key for row in rows]))
        lacking = [row for row in rows if row.storage_key in gone]
        if lacking:
            await _report(scene, report, await scene.database.read(still_placed, lacking))


async def _report(scene: Scene, report: Report, lacking: list[Placed]) -> None:
    """A second look: a picture may have been replaced between the row and the object."""
    gone = await scene.storage.missing([row.storage_key for row in lacking])
    for row in lacking:
        if row.storage_key in gone:
            log.error("the object of a variant is gone", image=row.image_id, object=row.storage_key)
            report.add("missing", row.storage_key, f"image {row.image_id}")
