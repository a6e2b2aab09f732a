"""A server that stops turns nobody away whom it has let in."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from cdn_edge.listener import Listener, connections, listen_on, listener_on
from cdn_edge.parting import Parting
from cdn_edge.rsgi import HTTPProtocol, Scope
from cdn_edge.server import edge_server
from cdn_edge.serving import Place, serving
from pipeline.drain import Drain
from tests.servers import free_ports

REQUEST = b"GET /%s HTTP/1.1\r\nHost: here\r\n\r\n"


class Yes:
    """Answers everything with 200: at once, or what is slow, in a while."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        pass

    def at_once(self, scope: Scope, proto: HTTPProtocol) -> bool:
        if scope.path != "/slow":
            proto.response_bytes(200, [], b"yes")
        return scope.path != "/slow"

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        await asyncio.sleep(1)
        proto.response_empty(200, [])


@pytest.fixture
async def stopping() -> AsyncIterator[tuple[int, asyncio.Event, "asyncio.Task[None]"]]:
    """A server that lingers; an event that stops it; and its end."""
    (port,) = free_ports(1)
    drain, stop, ready = Drain(20, linger=10), asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        listener = listener_on("127.0.0.1", port)
        server = edge_server(Parting(Yes(), drain), "127.0.0.1", port, listener=listener)
        async with serving(server, Place("127.0.0.1", port, listener), drain):
            ready.set()
            await stop.wait()

    task = asyncio.create_task(serve())
    await ready.wait()
    yield port, stop, task
    stop.set()
    await task


async def test_who_is_connected_when_it_stops_is_answered_and_sent_away(
    stopping: tuple[int, asyncio.Event, "asyncio.Task[None]"],
) -> None:
    port, stop, task = stopping
    idle, slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    assert b"connection: close" not in await asked(idle, b"first")
    slow[1].write(REQUEST % b"slow")
    await asyncio.sleep(0.2)
    assert connections(port) == 2
    stop.set()
    await asyncio.sleep(0.5)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    last = await asked(idle, b"last")
    assert last.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in last
    assert await idle[0].read() == b""
    assert b"connection: close" in await slow[0].read()
    await asyncio.wait_for(task, 5)  # nobody is left: it does not linger on
    for _, writer in (idle, slow):
        writer.close()


async def test_who_waits_to_be_taken_is_taken_and_who_comes_later_is_refused() -> None:
    (port,) = free_ports(1)
    made = listen_on("127.0.0.1", port)
    made.listen(16)
    server = socket.socket(fileno=Listener(made).descriptor())  # as granian has one
    listener = Listener(made)
    waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    shutting = asyncio.create_task(listener.shut())
    await asyncio.sleep(0)
    late = asyncio.create_task(asyncio.open_connection("127.0.0.1", port))
    server.setblocking(False)
    taken = [server.accept()[0] for _ in waiting]
    for one in taken:
        one.sendall(b"yes")
        one.close()
    await shutting
    assert [await reader.read() for reader, _ in waiting] == [b"yes"] * 5
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(late, 10)
    for _, writer in waiting:
        writer.close()
    server.close()


async def asked(link: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: bytes) -> bytes:
    reader, writer = link
    writer.write(REQUEST % path)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert await reader.readexactly(3) == b"yes"
    return head
