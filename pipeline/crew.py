"""The children that stand ready, and whose turn it is to have one."""

import asyncio
import heapq
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import get_args

from models.errors import Unavailable
from models.meter import Meter
from pipeline.children import Child, NeverBegun, Reason, bear
from pipeline.jobs import Job, Reply
from pipeline.limits import Limits

_RETRY_SECONDS = 0.5

Waiter = tuple[float, int, asyncio.Future[Child]]


class Crew:
    """As many children as asked for, always: who dies or is worn out is replaced at once."""

    def __init__(self, size: int, home: Path, limits: Limits, meter: Meter | None = None) -> None:
        self.size = size
        self._meter = meter or Meter()
        self.lost: Counter[Reason] = Counter()
        self.busy_seconds = 0.0
        self._home = home
        self._limits = limits
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._waiters: list[Waiter] = []
        self._order = itertools.count()
        self._closed = False
        self._keepers: list[asyncio.Task[None]] = []
        for reason in get_args(Reason):
            self._count(reason, by=0)

    async def open(self) -> None:
        """Spawn the first children; ChildProcessError when they cannot start."""
        births = (bear(self._home, self._limits) for _ in range(self.size))
        born = await asyncio.gather(*births, return_exceptions=True)
        self._all = {child for child in born if isinstance(child, Child)}
        for failure in (one for one in born if isinstance(one, BaseException)):
            await self.close()
            raise failure
        self._keepers = [asyncio.create_task(self._keep(child)) for child in self._all]
        await asyncio.sleep(0)  # the keepers put their first child on the bench

    async def close(self) -> None:
        """Kill every child; who waits or is being served is told Unavailable."""
        self._closed = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for child in self._all:
            child.kill("closed")
        await asyncio.gather(*(child.gone for child in self._all))
        for _, _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(Unavailable())

    @property
    def alive(self) -> list[Child]:
        """The children that live, at work or not."""
        return [child for child in self._all if child.alive]

    @property
    def free(self) -> int:
        """How many children have nothing to do."""
        return sum(child.alive for child in self._idle)

    async def ask(
        self, urgency: float, job: Job, seconds: float, heard: Callable[[Reply], None]
    ) -> None:
        """Have a child do `job`; the lowest `urgency` is served first, equals in their order."""
        while True:
            async with self.child(urgency) as child:
                with suppress(NeverBegun):
                    return await child.ask(job, seconds, heard)

    @asynccontextmanager
    async def child(self, urgency: float) -> AsyncIterator[Child]:
        """A child for as long as the block lasts, when it is our turn."""
        with self._meter.timing("calotype_render_queue_seconds"):
            child = await self._turn(urgency)
        started = time.monotonic()
        try:
            yield child
        finally:
            worked = time.monotonic() - started
            self.busy_seconds += worked
            self._meter.count("calotype_render_busy_seconds_total", by=worked)
            self._rest(child)
        await asyncio.sleep(0)  # who has it now asks it before we look at what it made for us

    async def _turn(self, urgency: float) -> Child:
        if self._closed:
            raise Unavailable
        while self._idle:
            if (child := self._idle.pop()).alive:
                return child
        waiter: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (urgency, next(self._order), waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._rest(waiter.result())  # it was given a child in the moment it gave up
            raise

    def _rest(self, child: Child) -> None:
        """Give a child to who waits longest, or let it sit down; a worn one is replaced."""
        if child.jobs >= self._limits.jobs or child.resident > self._limits.resident:
            child.kill("retired")
        while child.alive and self._waiters:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(child)
                return
        if child.alive:
            self._idle.append(child)

    async def _keep(self, child: Child) -> None:
        """See that there is always a child where this one is."""
        while True:
            self._all.add(child)
            self._rest(child)
            await asyncio.wait([child.gone])
            self._all.discard(child)
            if child.killed:
                self.lost[child.killed] += 1
                self._count(child.killed)
            child = await self._replace()

    def _count(self, reason: Reason, by: int = 1) -> None:
        self._meter.count("calotype_render_children_lost_total", reason.replace(" ", "_"), by=by)

    async def _replace(self) -> Child:
        while True:
            with suppress(OSError):
                return await bear(self._home, self._limits)
            await asyncio.sleep(_RETRY_SECONDS)
