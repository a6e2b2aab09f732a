"""Dead letters: the database says which there are, the stream holds a copy of each."""

from models.events import DEAD_ORDERS, dead_subject
from models.letters import announce_dead, expire_letters, parked_orders, still_parked
from pipeline.bus import NotThere
from pipeline.bus_queue import dead_subjects, drop_dead
from pipeline.reconcile.findings import Report
from pipeline.reconcile.scene import Scene

_PAGE = 500


async def agree_on_letters(scene: Scene, report: Report) -> None:
    """Forget letters that are too old; copy what the stream lacks, drop what it has too much."""
    if not scene.dry:
        for order_id in await scene.database.run(expire_letters, scene.before(scene.rules.dead)):
            await drop_dead(scene.bus, dead_subject(order_id))
    try:
        held = await dead_subjects(scene.bus)
    except NotThere:
        held = set()
    await _copy(scene, report, held)
    await _drop(scene, report, held)


async def _copy(scene: Scene, report: Report, held: set[str]) -> None:
    last, before = "", scene.before(scene.rules.announced)
    while page := await scene.database.read(parked_orders, last, _PAGE):
        last = page[-1].id
        settled = [order for order in page if order.parked_at and order.parked_at < before]
        lacking = [order for order in settled if dead_subject(order.id) not in held]
        if lacking and not scene.dry:
            await scene.database.run(announce_dead, lacking)
        for order in lacking:
            report.add("letters", order.id, "not in the stream")


async def _drop(scene: Scene, report: Report, held: set[str]) -> None:
    ids = sorted(
        subject.removeprefix(f"{DEAD_ORDERS}.")
        for subject in held
        if subject.startswith(f"{DEAD_ORDERS}.")
    )
    for start in range(0, len(ids), _PAGE):
        some = ids[start : start + _PAGE]
        for order_id in set(some) - await scene.database.read(still_parked, some):
            if not scene.dry:
                await drop_dead(scene.bus, dead_subject(order_id))
            report.add("letters", order_id, "retried, dropped or too old")
