"""One full reconciliation, now: for the command line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from gateway.beside import at_system
from gateway.findings_shown import Told
from models.database import Database
from models.errors import Unavailable
from models.orphans import about_how_many
from models.settings import Settings
from pipeline.reconcile.findings import Findings, Report
from pipeline.reconcile.reconciler import taking_turn
from pipeline.reconcile.rounds import EVERY_MINUTE, NOW_AND_THEN, go_round
from pipeline.reconcile.scene import Scene, rules_of

STEPS = (*EVERY_MINUTE, *NOW_AND_THEN)

_WAIT_SECONDS = 300.0
_LOOK_SECONDS = 0.5


async def reconcile_now(settings: Settings, told: Told, *, dry: bool) -> Findings:
    """Take every step once; what was announced by that is said before this returns.

    Waits for the rounds of a running system to end. Raises SettingsError or Unavailable.
    """
    async with at_system(settings) as services:
        rules = rules_of(settings)
        scene = Scene(services.database, services.stores.own, services.bus, rules, dry)
        if dry:
            return await _round(scene, told)
        async with _our_turn(scene.database, "round"), _our_turn(scene.database, "sweep"):
            findings = await _round(scene, told)
        while await services.relay.sweep(timedelta()):
            pass
        return findings


async def _round(scene: Scene, told: Told) -> Findings:
    with contextlib.suppress(Unavailable):  # each step will say so for itself
        told.expect(await scene.database.read(about_how_many))
    return await go_round(STEPS, scene, Report(told.looked, told.stepped))


@contextlib.asynccontextmanager
async def _our_turn(database: Database, name: str) -> AsyncIterator[None]:
    async with asyncio.timeout(_WAIT_SECONDS) as patience:
        while True:
            async with taking_turn(database, name) as ours:
                if ours:
                    patience.reschedule(None)
                    yield
                    return
            if patience.expired():
                raise Unavailable("Another process has been reconciling for minutes.")
            await asyncio.sleep(_LOOK_SECONDS)
