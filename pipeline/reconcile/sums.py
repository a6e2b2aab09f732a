"""Sums that do not fit. What counts bytes and images is corrected; money is only reported.

A balance that differs means that credits came or went without an entry, and no rule can tell which
of the two is right: a person has to look.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from models.failpoint import failpoint
from models.reservations import PAGE, open_reservations, settle
from models.sums import (
    Difference,
    Page,
    correct_count,
    correct_kept,
    correct_size,
    correct_storage,
    unequal_balances,
    unequal_counts,
    unequal_kept,
    unequal_sizes,
    unequal_storage,
)
from pipeline.reconcile.findings import Report
from pipeline.reconcile.scene import Scene

log = structlog.get_logger(__name__)

Find = Callable[[Session, str], Page]
Correct = Callable[[Session, Difference], bool]

_LATELY = timedelta(hours=2)
_EVER = timedelta(days=36_525)


async def settle_recent(scene: Scene, report: Report) -> None:
    """Settle what was reserved within hours and is over: cheap enough for every minute."""
    await _settle(scene, report, _LATELY, timedelta())


async def settle_old(scene: Scene, report: Report) -> None:
    """Settle what was reserved before that, and is over."""
    await _settle(scene, report, _EVER, _LATELY)


async def _settle(scene: Scene, report: Report, oldest: timedelta, youngest: timedelta) -> None:
    age = scene.rules.received
    since, before = scene.before(age + oldest), scene.before(age + youngest)
    while found := await scene.database.read(open_reservations, since, before):
        for one in found:
            report.add("reservations", one.operation_id, f"{sum(one.amount)} credits")
            if not scene.dry:
                with contextlib.suppress(IntegrityError):  # somebody else was first
                    await scene.database.run(settle, one)
                    failpoint("R3.refunded")
        if scene.dry or len(found) < PAGE:
            return


async def compare_balances(scene: Scene, report: Report) -> None:
    """Report accounts whose credits are not the sum of their ledger."""
    async for one in _differences(scene, report, unequal_balances, "balances"):
        note = f"{one.name}: {one.says} credits, the ledger says {one.truth}"
        log.error("credits differ from the ledger", account=one.id)
        report.add("balances", one.id, note)


async def correct_sums(scene: Scene, report: Report) -> None:
    """Correct sizes, then the storage that they sum up to, then the counts of images."""
    for kind, find, correct in (
        ("sizes", unequal_sizes, correct_size),
        ("sizes", unequal_kept, correct_kept),
        ("storage", unequal_storage, correct_storage),
        ("counts", unequal_counts, correct_count),
    ):
        await _correct(scene, report, kind, find, correct)


async def _correct(scene: Scene, report: Report, kind: str, find: Find, correct: Correct) -> None:
    async for one in _differences(scene, report, find, kind):
        if scene.dry or await scene.database.run(correct, one):
            report.add(kind, one.id, f"{one.name}: said {one.says}, is {one.truth}")


async def _differences(
    scene: Scene, report: Report, find: Find, kind: str
) -> AsyncIterator[Difference]:
    after: str | None = ""
    while after is not None:
        found, after = await scene.database.read(find, after)
        report.looked(kind, 1)
        for one in found:
            yield one
