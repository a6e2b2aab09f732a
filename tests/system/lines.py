"""Connections that are used again, as browsers and proxies have them; a request costs little."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from tests.system.burst import LOST, Got, Head, head_within

T = TypeVar("T")

_SECONDS = 120.0


class _Line(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self) -> None:
        self.open = True
        self._received = bytearray()
        self._head: Head | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def send(self, request: bytes) -> asyncio.Future[Got]:
        self._got: asyncio.Future[Got] = asyncio.get_running_loop().create_future()
        self._late = asyncio.get_running_loop().call_later(_SECONDS, self._transport.abort)
        self._transport.write(request)
        return self._got

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._head = self._head or head_within(self._received)
        if head and len(self._received) >= head.end:
            got = Got(head.status, head.headers, bytes(self._received[head.start :]))
            self._head = None
            self._received.clear()
            self._late.cancel()
            self.open = self.open and head.headers.get("connection") != "close"
            if not self._got.done():
                self._got.set_result(got)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 however it was lost
        self.open = False
        if hasattr(self, "_got") and not self._got.done():
            self._got.set_result(LOST)

    def close(self) -> None:
        self._transport.close()


class Lines:
    """To one server, as many as are in use at the same time."""

    def __init__(self) -> None:
        self._idle: list[_Line] = []

    async def ask(self, url: str) -> Got:
        """One answer; LOST when the connection broke, or when there was none in time."""
        _, _, place, target = url.split("/", 3)
        try:
            line = await self._line(place)
        except OSError:
            return LOST
        got = await line.send(f"GET /{target} HTTP/1.1\r\nHost: edge\r\n\r\n".encode())
        if line.open:
            self._idle.append(line)
        return got

    def close(self) -> None:
        """Hang up all that nobody uses."""
        for line in self._idle:
            line.close()

    async def _line(self, place: str) -> _Line:
        while self._idle:
            if (line := self._idle.pop()).open:
                return line
        loop = asyncio.get_running_loop()
        host, _, port = place.partition(":")
        _, line = await loop.create_connection(_Line, host, int(port))
        return line


def with_lines(work: Callable[[Lines], Coroutine[Any, Any, T]]) -> T:
    """Run a client in a loop that costs little."""

    async def run() -> T:
        lines = Lines()
        try:
            return await work(lines)
        finally:
            lines.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
