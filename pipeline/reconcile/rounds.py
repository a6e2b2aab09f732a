"""Rounds: the cheap steps every minute, all of them now and then; one process at a time.

Every step is idempotent and may be killed anywhere: the next round does what is left.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator

from models.errors import Unavailable
from models.replays import forget_replays
from pipeline.outbox import forget_sent
from pipeline.reconcile.findings import Findings, Report
from pipeline.reconcile.letters import agree_on_letters
from pipeline.reconcile.objects import report_missing, sweep_objects
from pipeline.reconcile.queue import announce_waiting, say_lost_drops, send_unsent
from pipeline.reconcile.scene import Scene
from pipeline.reconcile.staging import sweep_staging
from pipeline.reconcile.sums import (
    compare_balances,
    correct_sums,
    settle_old,
    settle_recent,
)

Step = Callable[[Scene, Report], Awaitable[None]]


async def forget_old(scene: Scene, _report: Report) -> None:
    """Drop the rows that were kept for a while only."""
    if not scene.dry:
        await scene.database.run(forget_sent)
        await scene.database.run(forget_replays)


EVERY_MINUTE: tuple[Step, ...] = (
    send_unsent,
    announce_waiting,
    say_lost_drops,
    settle_recent,
    agree_on_letters,
    forget_old,
)
NOW_AND_THEN: tuple[Step, ...] = (
    settle_old,
    sweep_staging,
    sweep_objects,
    report_missing,
    correct_sums,
    compare_balances,
)


async def go_round(steps: tuple[Step, ...], scene: Scene, report: Report) -> Findings:
    """Take every step; what is away right now keeps nobody from the others."""
    for step in steps:
        with _seen(step, report):
            await step(scene, report)
        report.stepped()
    return report.findings


@contextlib.contextmanager
def _seen(step: Step, report: Report) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        report.blind(step.__name__.replace("_", " "), str(error))
