"""Originals that no order needs, and what broken writes left beside them."""

from models.orphans import sort_originals
from pipeline.reconcile.batches import Swept, swept
from pipeline.reconcile.findings import Report
from pipeline.reconcile.scene import Scene
from pipeline.storage import STAGING


async def sweep_staging(scene: Scene, report: Report) -> None:
    """Delete what requests left in staging that were refused, or whose process died."""
    await swept(Swept(STAGING, "staging", scene.rules.received, sort_originals), scene, report)
