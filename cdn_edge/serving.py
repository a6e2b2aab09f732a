"""A granian server that serves while a block runs, within the running event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from granian.server.embed import Server

from pipeline.drain import Drain

_READY_SECONDS = 10.0


@contextlib.asynccontextmanager
async def serving(server: Server, host: str, port: int, drain: Drain) -> AsyncIterator[None]:
    """Listen on host:port when the block begins; finish open requests, bounded, when it ends."""
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await _until_listening(task, host, port)
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves this one unannotated
        with contextlib.suppress(TimeoutError):
            # An idle keep-alive connection may hold a server back for ever.
            await asyncio.wait_for(task, drain.left())


async def _until_listening(task: asyncio.Task[None], host: str, port: int) -> None:
    while True:
        if task.done():
            task.result()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(_reachable(host), port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.01)


def _reachable(host: str) -> str:
    """Where to reach a server that listens on `host`: everywhere includes here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 compared, not bound
