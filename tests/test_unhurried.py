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


async def changing(thread: int, busy: threading.Event, hasty: int) -> None:
    """In haste, as a batch while it is busy, and in haste again."""
    async with running(lambda: unhurried([thread])):
        await becomes(thread, hasty)
        busy.set()
        await becomes(thread, os.SCHED_BATCH)
        busy.clear()
        await becomes(thread, hasty)
        assert os.sched_getscheduler(0) == os.SCHED_OTHER, "nobody else is touched"


def may_have_real_time() -> bool:
    """Whether the kernel lets us."""
    probe = Worker()
    (thread,) = threads_of(probe.begin)
    try:
        os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    finally:
        probe.end()
    return True


async def test_a_busy_thread_is_a_batch_thread_until_it_rests() -> None:
    worker = Worker()
    (thread,) = threads_of(worker.begin)
    try:
        hasty = os.SCHED_RR if may_have_real_time() else os.SCHED_OTHER
        await changing(thread, worker.busy, hasty)
    finally:
        worker.end()


async def test_where_real_time_is_forbidden_threads_are_as_usual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really = os.sched_setscheduler

    def forbid(thread: int, policy: int, param: os.sched_param) -> None:
        if policy == os.SCHED_RR:
            raise PermissionError
        really(thread, policy, param)

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    worker = Worker()
    (thread,) = threads_of(worker.begin)
    try:
        await changing(thread, worker.busy, os.SCHED_OTHER)
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
