"""A TCP proxy that breaks on command: what networks do to NATS, Postgres and object storage.

async with FaultProxy("127.0.0.1", 4222) as proxy:
    connect(f"nats://127.0.0.1:{proxy.port}")
    proxy.latency(0.2)          # each way; the next words, too, hit links already open
    proxy.freeze()              # nothing moves, nothing closes
    proxy.heal()
"""

import asyncio
import random
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self

Way = Literal["up", "down"]  # up: from the client to the server behind; down: back
Piece = tuple[float, bytes]  # when it came, what came; no bytes mean the end

CHUNK = 65536
IN_FLIGHT = 256  # chunks; what a long fat pipe holds
IDLE = 0.25  # seconds; who was late for less goes on as if he had not been
TICK = 0.02  # seconds; how finely a narrow link is shared out
BOTH: tuple[Way, ...] = ("up", "down")


@dataclass(frozen=True)
class Weather:
    """What happens to bytes going one way. Seconds, bytes, bytes a second."""

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    slice: int | None = None
    pause: float = 0.0
    limit: int | None = None


FAIR = Weather()


class FaultProxy:
    """Forwards TCP to one upstream, in any weather. Switches act at once, on open links too."""

    def __init__(self, upstream_host: str, upstream_port: int, *, seed: int = 0) -> None:
        self.upstream = (upstream_host, upstream_port)
        self.host, self.port = "127.0.0.1", 0
        self.accepted = 0
        self.carried: dict[Way, int] = {"up": 0, "down": 0}
        self._weather: dict[Way, Weather] = {"up": FAIR, "down": FAIR}
        self._links: dict[asyncio.Task[None], list[StreamWriter]] = {}
        self._moving = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._chance = random.Random(seed)

    async def __aenter__(self) -> Self:
        self._moving.set()
        await self.up()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        links = list(self._links)
        self.down()
        await asyncio.gather(*links, return_exceptions=True)

    # The switches.

    def latency(self, seconds: float, jitter: float = 0.0, ways: tuple[Way, ...] = BOTH) -> None:
        """Hold every byte this long, give or take the jitter. Order is kept, throughput too."""
        self._change(ways, latency=seconds, jitter=jitter)

    def bandwidth(self, rate: float | None, ways: tuple[Way, ...] = BOTH) -> None:
        """Let this many bytes a second through on each link."""
        self._change(ways, bandwidth=rate)

    def slicer(self, size: int | None, pause: float = 0.0, ways: tuple[Way, ...] = BOTH) -> None:
        """Hand bytes on in pieces of this size, with a pause after each."""
        self._change(ways, slice=size, pause=pause)

    def limit_data(self, size: int | None, ways: tuple[Way, ...] = BOTH) -> None:
        """Close a link once it has carried this many bytes, counted from its start."""
        self._change(ways, limit=size)

    def freeze(self) -> None:
        """Nothing moves and nothing closes; a new connection is accepted and met with silence."""
        self._moving.clear()

    def thaw(self) -> None:
        """Go on where the freeze began; nothing was lost."""
        self._moving.set()

    def reset(self) -> int:
        """Break every open link with RST, at both ends. Says how many there were."""
        return self._break(politely=False)

    def down(self) -> int:
        """Refuse new connections and close the open ones, like a server that stopped."""
        if self._server:
            self._server.close()
            self._server = None
        return self._break(politely=True)

    async def up(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def heal(self) -> None:
        """Fair weather again."""
        self._change(BOTH, **FAIR.__dict__)
        self.thaw()
        await self.up()

    def _change(self, ways: tuple[Way, ...], **changes: float | None) -> None:
        for way in ways:
            self._weather[way] = replace(self._weather[way], **changes)  # type: ignore[arg-type] - by name

    def _break(self, *, politely: bool) -> int:
        broken = list(self._links.items())
        for task, writers in broken:
            for writer in writers:
                _close(writer, politely=politely)
            task.cancel()
        return len(broken)

    # The links.

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self._link(reader, writer))
        self._links[task] = [writer]
        task.add_done_callback(lambda done: self._links.pop(done, None))

    async def _link(self, reader: StreamReader, writer: StreamWriter) -> None:
        ends = self._links[asyncio.current_task()]  # type: ignore[index] - it is the one running
        try:
            await self._moving.wait()
            far_reader, far_writer = await asyncio.open_connection(*self.upstream)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(self._pipe("up", reader, far_writer))
                pipes.create_task(self._pipe("down", far_reader, writer))
        except* OSError:
            pass  # one end is gone; so is the link
        finally:
            for end in ends:
                _close(end, politely=True)

    async def _pipe(self, way: Way, reader: StreamReader, writer: StreamWriter) -> None:
        pieces: asyncio.Queue[Piece] = asyncio.Queue(IN_FLIGHT)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(_take_in(reader, pieces))
            ends.create_task(self._hand_on(way, pieces, writer))

    async def _hand_on(self, way: Way, pieces: asyncio.Queue[Piece], writer: StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        carried, free = 0, clock()
        async for data in self._late(way, pieces):
            for piece in _cut(data, self._weather[way]):
                await self._moving.wait()
                now = self._weather[way]
                room = len(piece) if now.limit is None else max(0, now.limit - carried)
                writer.write(piece[:room])
                await writer.drain()
                carried += len(piece[:room])
                self.carried[way] += len(piece[:room])
                if now.limit is not None and carried >= now.limit:
                    raise ConnectionAbortedError
                free = clock() if clock() - free > IDLE else free  # else who woke late catches up
                free += len(piece) / (now.bandwidth or float("inf"))
                await asyncio.sleep(now.pause + max(0.0, free - clock()))
        writer.write_eof()

    async def _late(self, way: Way, pieces: asyncio.Queue[Piece]) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        while True:
            came, data = await pieces.get()
            now = self._weather[way]
            hold = max(0.0, now.latency + now.jitter * self._chance.uniform(-1, 1))
            await asyncio.sleep(came + hold - clock())
            await self._moving.wait()
            if not data:
                return
            yield data


async def _take_in(reader: StreamReader, pieces: asyncio.Queue[Piece]) -> None:
    data = b"more"
    while data:
        data = await reader.read(CHUNK)
        await pieces.put((asyncio.get_running_loop().time(), data))


def _cut(data: bytes, now: Weather) -> Iterator[bytes]:
    size = min(now.slice or CHUNK, max(1, int((now.bandwidth or float(CHUNK / TICK)) * TICK)))
    return (data[at : at + size] for at in range(0, len(data), size))


def _close(writer: StreamWriter, *, politely: bool) -> None:
    """Close now: with FIN, or with RST, which loses what is still under way."""
    if not politely and not writer.is_closing():
        wire: socket.socket = writer.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if not politely:
        writer.transport.abort()
    writer.close()
