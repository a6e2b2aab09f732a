"""While hits keep a processor busy, the threads that answer them let each other finish.

A request goes from the thread that reads to the one that answers and back, and each may interrupt
the other for it: fine for few, half of all the work for many. As batch threads (`SCHED_BATCH`)
they wake up only when the processor is free, so that each finds several requests to do at once:
on one core hits of 20 KB went from 0.57 of nginx's rate to 0.71, and their p99 fell by a fifth.
They are not always so because beside renders, which have the processor for milliseconds, a hit
must be able to interrupt. Linux only; elsewhere nothing is changed.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

_LOOK_SECONDS = 0.1
_BUSY = 0.5
"""Of one processor. The reading thread alone takes 0.7 of one when hits are all there is to do."""
_TASKS = Path("/proc/self/task")


def threads_of(begin: Callable[[], None]) -> list[int]:
    """Begin something; the threads that it started."""
    before = _threads()
    begin()
    return sorted(_threads() - before)


async def unhurried(threads: list[int]) -> None:
    """Keep these threads interrupting or not, as they are busy, until cancelled."""
    used, hurried = _used(threads), True
    while True:
        began = time.monotonic()
        await asyncio.sleep(_LOOK_SECONDS)
        before, used = used, _used(threads)
        hurry = used - before < _BUSY * (time.monotonic() - began)
        if hurry != hurried:
            _schedule(threads, hurry=hurry)
            hurried = hurry


def _threads() -> set[int]:
    return {int(one.name) for one in _TASKS.iterdir()} if _TASKS.exists() else set()


def _used(threads: list[int]) -> float:
    """Seconds of processor time so far."""
    total = 0
    for thread in threads:
        with contextlib.suppress(OSError):  # it has ended
            total += int((_TASKS / str(thread) / "schedstat").read_text().split()[0])
    return total / 1e9


def _schedule(threads: list[int], *, hurry: bool) -> None:
    policy = os.SCHED_OTHER if hurry else os.SCHED_BATCH
    for thread in threads:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(thread, policy, os.sched_param(0))
