"""The reconciler: rounds for as long as a pipeline runs."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
import structlog

from models.database import Database
from models.errors import Unavailable
from models.meter import Meter
from models.turns import turn
from pipeline.bus import NotThere
from pipeline.bus_queue import born
from pipeline.reconcile.findings import FOUND_BY, KINDS, Findings, Report
from pipeline.reconcile.rounds import EVERY_MINUTE, NOW_AND_THEN, Step, go_round
from pipeline.reconcile.scene import Scene

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 60.0
_LOOK_SECONDS = 5.0
# After a start, and after a stream was lost: what was too young for the first look, or could not
# be seen, is seen by a second one.
_AGAIN_SECONDS = 15.0


class Reconciler:
    """A round now and every minute, at once when the work stream is a new one; a sweep at times."""

    def __init__(self, scene: Scene, sweep_seconds: float, meter: Meter | None = None) -> None:
        self._scene = scene
        self._meter = meter or Meter()
        for kind in KINDS:
            self._meter.count("calotype_reconciler_findings_total", kind, by=0)
        self._sweep_seconds = sweep_seconds
        self._born: datetime | None = None

    async def run(self) -> None:
        """Until cancelled. A long sweep keeps no round waiting."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rounds())
            tasks.create_task(self._sweeps())

    async def _rounds(self) -> None:
        while True:
            known, self._born = self._born, await self._stream_born()
            found = await self.take("round", EVERY_MINUTE)
            soon = found.unseen or self._born != known
            await self._until_new(_AGAIN_SECONDS if soon else _EVERY_SECONDS)

    async def _sweeps(self) -> None:
        while True:
            await self.take("sweep", NOW_AND_THEN)
            await asyncio.sleep(self._sweep_seconds)

    async def take(self, name: str, steps: tuple[Step, ...]) -> Findings:
        """Take these steps, unless another process does right now; what they found."""
        try:
            async with taking_turn(self._scene.database, name) as ours:
                report = Report()
                found = await go_round(steps, self._scene, report) if ours else report.findings
                if ours:
                    self._count(name, found)
        except Unavailable as error:
            found = Findings(unseen={name: str(error)})
            self._count(name, found)
        if found:
            log.warning("found", during=name, **found.counts, **_unseen(found))
        return found

    def _count(self, name: str, found: Findings) -> None:
        meter = self._meter
        for kind, number in found.counts.items():
            meter.count("calotype_reconciler_findings_total", kind, by=number)
        meter.count("calotype_reconciler_rounds_total", name, "blind" if found.unseen else "ok")
        if found.unseen:
            return
        for kind in FOUND_BY[name]:
            number = found.counts.get(kind, 0)
            meter.show("calotype_reconciler_last_findings", kind, value=number)
        ended = time.time()
        meter.show("calotype_reconciler_last_round_timestamp_seconds", name, value=ended)

    async def _until_new(self, seconds: float) -> None:
        """Until the work stream is lost, or made anew; so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self._stream_born() == self._born:  # noqa: ASYNC110 it rings no bell
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _stream_born(self) -> datetime | None:
        """When the work stream was made; None while there is none. The last answer while silent."""
        try:
            return await born(self._scene.bus)
        except NotThere:
            return None
        except Unavailable:
            return self._born


def _unseen(found: Findings) -> dict[str, str]:
    return {"unseen": msgspec.json.encode(found.unseen).decode()} if found.unseen else {}


@contextlib.asynccontextmanager
async def taking_turn(database: Database, name: str) -> AsyncIterator[bool]:
    """Whether it is this process's turn until the block ends."""
    with contextlib.ExitStack() as stack:
        yield await asyncio.to_thread(stack.enter_context, turn(database.engine, name))
