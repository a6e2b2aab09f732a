"""A real edge on a real port for the tests: an in-memory find and fetch, and a raw client."""

import asyncio
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from cdn_edge.app import Edge, Limits, edge_app
from cdn_edge.cache import Cache, open_cache
from cdn_edge.entry import GONE, Entry
from cdn_edge.server import edge_server
from models.errors import NotFound

T = TypeVar("T")

BUCKET = "2t7YzLFAGr"
MODIFIED = 1_700_000_000
MODIFIED_TEXT = "Tue, 14 Nov 2023 22:13:20 GMT"
MIB = 1 << 20


def entry_of(
    body: bytes,
    path: str = "p",
    *,
    content_type: str = "image/webp",
    last_modified: int = MODIFIED,
    immutable: bool = False,
) -> Entry:
    return Entry(
        path=path,
        content_type=content_type,
        etag=hashlib.sha256(body).hexdigest(),
        size=len(body),
        last_modified=last_modified,
        immutable=immutable,
    )


class Shelf:
    """The contract of find and fetch, kept in two dicts. Can be slow, broken or held up."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}
        self.objects: dict[str, bytes] = {}
        self.finds: list[tuple[str, str]] = []
        self.fetches: list[str] = []
        self.find_error: Exception | None = None
        self.fetch_error: Exception | None = None
        self.delay = 0.0
        self.find_gate: asyncio.Event | None = None
        self.fetch_gate: asyncio.Event | None = None

    def put(
        self,
        key: str,
        body: bytes,
        *,
        bucket: str = BUCKET,
        content_type: str = "image/webp",
        immutable: bool = False,
    ) -> Entry:
        entry = entry_of(body, f"{bucket}/{key}", content_type=content_type, immutable=immutable)
        self.entries[bucket, key], self.objects[entry.path] = entry, body
        return entry

    def remove(self, key: str, *, bucket: str = BUCKET) -> None:
        self.objects.pop(self.entries.pop((bucket, key)).path)

    def bury(self, key: str, *, bucket: str = BUCKET) -> None:
        self.entries[bucket, key] = GONE

    async def find(self, bucket: str, key: str) -> Entry | None:
        self.finds.append((bucket, key))
        if self.delay:  # else who sees that it was asked for sees what was there at that moment
            await asyncio.sleep(self.delay)
        if self.find_error:
            raise self.find_error
        entry = self.entries.get((bucket, key))
        if self.find_gate:
            await self.find_gate.wait()
        return entry

    async def fetch(self, entry: Entry) -> memoryview:
        self.fetches.append(entry.path)
        await asyncio.sleep(self.delay)
        if self.fetch_error:
            raise self.fetch_error
        body = self.objects.get(entry.path)
        if self.fetch_gate:
            await self.fetch_gate.wait()
        if body is None:
            raise NotFound
        return memoryview(body)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    names: list[str]
    body: bytes


class _Lines(list[tuple[str, str]]):
    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self)

    def items(self) -> list[tuple[str, str]]:
        return list(self)


class Exchange:
    """One request and its answer without a socket: scope and protocol of RSGI in one."""

    def __init__(self, method: str, path: str, query: str, *lines: tuple[str, str]) -> None:
        self.method, self.path, self.query_string = method, path, query
        self.headers = _Lines(lines)
        self.answer: Answer | None = None

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.response_bytes(status, headers, b"")

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        assert self.answer is None, "answered twice"
        self.answer = Answer(int(status), dict(headers), [name for name, _ in headers], body)


async def get(edge: Edge, path: str, *lines: tuple[str, str], method: str = "GET") -> Answer:
    path, _, query = path.partition("?")
    exchange = Exchange(method, path, query, *lines)
    await edge.__rsgi__(exchange, exchange)
    assert exchange.answer is not None
    return exchange.answer


class Served:
    """An edge under granian in a thread of its own."""

    def __init__(self, shelf: Shelf, edge: Edge, cache: Cache, patience: float = 10) -> None:
        self.shelf, self.edge, self.cache, self._patience = shelf, edge, cache, patience
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for_port(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._server = edge_server(self.edge, "127.0.0.1", self.port, patience=self._patience)
        await self._server.serve()
        await self.cache.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes, until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
            link.sendall(request)
            return b"".join(iter(lambda: link.recv(65536), b""))

    def ask(self, path: str, *lines: str, method: str = "GET") -> Answer:
        head = [f"{method} {path} HTTP/1.1", "Host: edge", "Connection: close", *lines, "", ""]
        return parse(self.raw("\r\n".join(head).encode("latin-1")))


def parse(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    return Answer(
        int(first.split(" ")[1]),
        dict(pairs),
        [n for n, _ in pairs],
        body,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("the edge does not listen")


def make_edge(
    shelf: Shelf, folder: Path | None = None, memory: int = MIB, disk: int = MIB, **limits: float
) -> tuple[Edge, Cache]:
    cache = open_cache(memory, folder, disk)
    return edge_app(shelf.find, shelf.fetch, cache, Limits(**limits)), cache


@contextlib.contextmanager
def serve(folder: Path | None = None, patience: float = 10, **limits: float) -> Iterator[Served]:
    shelf = Shelf()
    edge, cache = make_edge(shelf, folder, **limits)
    edge.trust()
    with Served(shelf, edge, cache, patience) as served:
        yield served
