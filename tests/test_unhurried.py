"""Threads that are busy with hits let each other finish, and interrupt again when they are not."""

import asyncio
import os
import threading

import pytest

from cdn_edge.unhurried import threads_of, unhurried
from pipeline.tasks import running

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")


class Worker:
    """A thread that works while it is told to."""

    def __init__(self) -> None:
        self.busy, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.begin = self._thread.start

    def _work(self) -> None:
        while not self._over.is_set():
            if self.busy.wait(timeout=0.01):
                sum(range(10_000))

    def end(self) -> None:
        """Let it go."""
        self._over.set()
        self._thread.join()


async def becomes(thread: int, policy: int) -> None:
    """Returns when the thread is scheduled so. Raises TimeoutError."""
    async with asyncio.timeout(60):
        while os.sched_getscheduler(thread) != policy:  # noqa: ASYNC110 the kernel tells nobody
            await asyncio.sleep(0.01)


async def test_a_busy_thread_is_a_batch_thread_until_it_rests() -> None:
    worker = Worker()
    (thread,) = threads_of(worker.begin)
    try:
        async with running(lambda: unhurried([thread])):
            await asyncio.sleep(0.3)
            assert os.sched_getscheduler(thread) == os.SCHED_OTHER
            worker.busy.set()
            await becomes(thread, os.SCHED_BATCH)
            worker.busy.clear()
            await becomes(thread, os.SCHED_OTHER)
            assert os.sched_getscheduler(0) == os.SCHED_OTHER, "nobody else is touched"
    finally:
        worker.end()


async def test_a_thread_that_has_ended_harms_nobody() -> None:
    worker = Worker()
    threads = threads_of(worker.begin)
    worker.end()
    task = asyncio.create_task(unhurried(threads))
    await asyncio.sleep(0.3)
    assert not task.done()
    task.cancel()


def test_only_threads_that_were_begun_are_told() -> None:
    first, second = Worker(), Worker()
    first.begin()
    try:
        assert len(threads_of(second.begin)) == 1
        assert threads_of(lambda: None) == []
    finally:
        first.end()
        second.end()
