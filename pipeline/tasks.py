"""Work in the background that outlives its own failures."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

log = structlog.get_logger("tasks")

_PAUSE_SECONDS = 1.0


@contextlib.asynccontextmanager
async def running(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run `work` beside the block and cancel it at its end; begin anew when it fails."""
    task = asyncio.create_task(_for_ever(work))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work failed and begins anew")
        await asyncio.sleep(_PAUSE_SECONDS)
