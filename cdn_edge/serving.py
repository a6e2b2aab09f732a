"""A granian server that serves while a block runs, within the running event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from granian.server.embed import Server

from cdn_edge.listener import Listener, connections
from pipeline.drain import Drain

_READY_SECONDS = 10.0
_LOOK_SECONDS = 0.1


class Place(NamedTuple):
    """Where a server listens."""

    host: str
    port: int
    listener: Listener


@contextlib.asynccontextmanager
async def serving(server: Server, place: Place, drain: Drain) -> AsyncIterator[None]:
    """Serve when the block begins; finish open requests, bounded, when it ends."""
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await _until_listening(task, place)
        yield
    finally:
        drain.left()
        await place.listener.shut()
        await _linger(place.port, drain)
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves this one unannotated
        with contextlib.suppress(TimeoutError):
            # An idle keep-alive connection may hold a server back for ever.
            await asyncio.wait_for(task, drain.left())


async def _linger(port: int, drain: Drain) -> None:
    """Answer who is still connected: granian would close a connection while a request comes in.

    Every answer now ends its connection, so that a proxy is soon gone, and who keeps one that is
    idle lets go of it within its own time.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(min(drain.linger, drain.left())):
            await _until_alone(port)


async def _until_alone(port: int) -> None:
    while True:
        if not connections(port):
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _until_listening(task: asyncio.Task[None], place: Place) -> None:
    while True:
        if task.done():
            task.result()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(_reachable(place.host), place.port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.01)


def _reachable(host: str) -> str:
    """Where to reach a server that listens on `host`: everywhere includes here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 compared, not bound
