"""Several processes of one role behind one that starts them, restarts them and ends them.

Each listens on the same port by itself, and the kernel spreads connections over them. They end
when this process ends, however that happens: their standard input then does.
"""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import structlog

from gateway.observed import observed_group
from gateway.operators import Operators, Standing
from gateway.prometheus import FOLDER, forget_gauges
from gateway.readiness import OK
from models.settings import PREFIX, Settings, SettingsError

log = structlog.get_logger(__name__)

REFUSED = 2
"""How a process ends that must not start with these settings, or cannot now."""
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_HEALTHY_SECONDS = 60.0
_SPARE_SECONDS = 10.0
_ASK_SECONDS = 4.0


class Group:
    """So many workers of one role; those that end are started again, after growing pauses."""

    def __init__(self, role: str, settings: Settings, count: int, folder: Path) -> None:
        self._role = role
        self._settings = settings
        self._count = count
        self._folder = folder
        self._running: dict[Process, str] = {}
        """Every process, with where it answers operators once it is ready."""
        self._complete = asyncio.Event()

    async def run(self, stopped: Coroutine[Any, Any, None]) -> None:
        """Keep all of them running until stopped. Raises SettingsError when they cannot start."""
        keeping = [asyncio.create_task(self._keep()) for _ in range(self._count)]
        waiting = asyncio.create_task(stopped)
        everything = (*keeping, waiting)
        done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await self._end()
        for task in done - {waiting}:
            task.result()

    async def standing(self) -> Standing:
        """Ready when one of them is; what one lacks, and how many there are."""
        said = await asyncio.gather(*(_asked(one) for one in self._running.values() if one))
        ready = sum(one.ready for one in said)
        checks: dict[str, str] = {}
        for one in said:
            checks |= {name: why for name, why in one.checks.items() if checks.get(name, OK) == OK}
        enough = ready == self._count
        checks["workers"] = OK if enough else f"{ready} of {self._count} are ready"
        return Standing(ready=ready > 0, role=self._role, checks=checks)

    async def _keep(self) -> None:
        pause = _PAUSE
        while True:
            began = time.monotonic()
            code = await self._live()
            if code == REFUSED and not self._complete.is_set():
                raise SettingsError(f"A worker of the {self._role} did not start, see above.")
            pause = _PAUSE if time.monotonic() - began > _HEALTHY_SECONDS else pause
            log.warning("a worker ended and is started again", code=code, pause=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _live(self) -> int:
        """One life of a worker; how it ended."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway", self._role, "--worker"),
            env=self._environment(),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        self._running[process] = ""
        with contextlib.suppress(ValueError):  # it ended without a word
            self._running[process] = json.loads(await _line(process))["metrics"]
            if all(self._running.values()) and len(self._running) == self._count:
                self._complete.set()
        code = await process.wait()
        del self._running[process]
        forget_gauges(process.pid, self._folder)
        return code

    def _environment(self) -> dict[str, str]:
        """What all of them may take together is divided among them."""
        settings, count = self._settings, self._count
        cores = os.cpu_count() or 1
        own = {
            "data": settings.data,
            "port": settings.port,
            "edge_port": settings.edge_port,
            "children": max(1, (settings.children or cores) // count),
            "edge_children": max(1, (settings.edge_children or cores) // count),
            "edge_memory_bytes": settings.edge_memory_bytes // count,
            "metrics_host": "127.0.0.1",
            "metrics_port": 0,
        }
        named = {PREFIX + name.upper(): str(value) for name, value in own.items()}
        return os.environ | named | {FOLDER: str(self._folder)}

    async def _end(self) -> None:
        """Let all of them finish at the same time, bounded."""
        waiting = [asyncio.create_task(one.wait()) for one in self._running]
        for one in self._running:
            _signal(one.terminate)
        if waiting:
            await asyncio.wait(waiting, timeout=self._settings.drain_seconds + _SPARE_SECONDS)
        for one in self._running:
            _signal(one.kill)
        await asyncio.gather(*waiting)


async def _line(process: Process) -> bytes:
    assert process.stdout  # noqa: S101 it was asked for
    return await process.stdout.readline()


async def _asked(address: str) -> Standing:
    """What a worker says; one that says nothing is not ready."""
    try:
        async with httpx2.AsyncClient(timeout=_ASK_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{address}/readyz")
        return msgspec.json.decode(answer.content, type=Standing)
    except (httpx2.HTTPError, msgspec.DecodeError):
        return Standing(ready=False, role="", checks={})


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):
        send()


def end_with_parent(stopped: asyncio.Event) -> None:
    """Have a worker stop when its standard input ends: whoever started it is gone."""
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()

    def ended() -> None:
        loop.remove_reader(descriptor)
        stopped.set()

    loop.add_reader(descriptor, ended)


@contextlib.asynccontextmanager
async def group(
    role: str, settings: Settings, count: int
) -> AsyncIterator[tuple[Group, Operators]]:
    """A group to run, and who answers operators for all its workers while the block runs."""
    with tempfile.TemporaryDirectory(prefix="calotype-") as name:
        async with observed_group(role, settings, Path(name)) as (operators, address):
            made = Group(role, settings, count, Path(name))
            operators.stand = made.standing
            log.info("starting", role=role, workers=count, metrics=address)
            yield made, operators
