"""Work in the background that outlives its own failures."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0


@contextlib.asynccontextmanager
async def running(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run `work` beside the block and cancel it at its end; begin anew when it fails."""
    task = asyncio.create_task(for_ever(work))
    try:
        yield
    finally:
        await end(task)


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel a task until it has ended: until Python 3.12 `wait_for` may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_PAUSE_SECONDS)
    await asyncio.gather(task, return_exceptions=True)  # a failure at the end is nobody's


async def for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Run it, and begin anew when it fails, until cancelled."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work failed and begins anew")
        await asyncio.sleep(_PAUSE_SECONDS)
