"""A process of the system, and the harness as what starts it again when it is dead."""

import asyncio
import contextlib
import math
import os
import random
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.prove.born import Lasting, Nursery
from tests.prove.waiting import becomes
from tests.servers import start
from tests.system.world import clean_environment, command_of

ROOT = Path(__file__).parents[2]
_END_SECONDS = 20.0


class Kept:
    """One process that is started again whenever it ends, until the block around it does."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.starts = 0
        self.arms: deque[str] = deque()
        """Crash points for the lives to come, "name:hits" each; a life without one is plain."""
        self.armed = ""
        self.before: Callable[[str], None] = _nothing
        """Called before each life with its crash point."""
        self.nursery: Nursery | None = None
        """Who bears the second life and all that follow, if it can."""
        self.log = Path()
        self._command = command
        self._environment = clean_environment() | {"PYTHONPATH": str(ROOT)} | environment
        self._process: Lasting | None = None

    @property
    def pid(self) -> int:
        """Of the life that lasts; 0 between two."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    @contextlib.asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator[None]:
        """Keep it alive while the block runs, then end it politely."""
        self.log = folder / f"{self.name}.log"
        keeper = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeper.cancel()
            (failed,) = await asyncio.gather(keeper, return_exceptions=True)
            await self._end()
            if isinstance(failed, Exception):
                raise failed

    async def _keep(self) -> None:
        while True:
            self._start()
            await becomes(lambda: not self.pid, math.inf)

    def _start(self) -> None:
        self.armed = self.arms.popleft() if self.arms else ""
        self.before(self.armed)
        self._environment["PROVE_FAILPOINT"] = self.armed
        self._process = self._born() or self._made()
        self.starts += 1

    def _born(self) -> Lasting | None:
        if not self.starts or self.nursery is None:
            return None
        return self.nursery.bear(self._command, self._environment, self.log)

    def _made(self) -> Lasting:
        command = [sys.executable, "-m", "tests.prove.armed", *self._command]
        # By `env`: what starts servers for tests hands its own environment on.
        said = [f"{name}={value}" for name, value in self._environment.items()]
        return start(["env", "-i", *said, *command], self.log)

    async def _end(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        if not await self.gone(_END_SECONDS):
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def kill(self) -> bool:
        """kill -9; False when it is dead already."""
        return kill(self.pid)

    def kill_child(self, chance: random.Random) -> bool:
        """kill -9 of one of its render children, whatever it does."""
        children = self.relatives("pipeline.child")
        return bool(children) and kill(chance.choice(children))

    def relatives(self, word: str) -> list[int]:
        """Its living descendants whose command has this word."""
        return [one for one in descendants(self.pid) if word in command_of(one)]

    async def gone(self, seconds: float) -> bool:
        """Whether the life that lasts ends within so many seconds."""
        process = self._process
        return await becomes(lambda: not process or process.poll() is not None, seconds)


def _nothing(_: str) -> None:
    """Before most lives nothing is done."""


def descendants(process: int) -> list[int]:
    """The living descendants of a process, as the kernel lists them."""
    found = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, file.read_text().split()):
                found += [child, *descendants(child)]
    return found


def kill(process: int) -> bool:
    """kill -9; False when there is no such process."""
    with contextlib.suppress(ProcessLookupError):
        if process:
            os.kill(process, signal.SIGKILL)
            return True
    return False
