"""The edge over the files of a folder, served as `calotype up` serves it.

    python benchmarks/edge_served.py FOLDER PORT [bare|dressed]

`bare` is the least that granian can do, handing over between threads as granian does by itself:
the same bodies in turn, two headers, nothing looked at. `dressed` sends the edge's headers.
"""

import asyncio
import hashlib
import itertools
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from cdn_edge.answers import Copy
from cdn_edge.app import edge_app
from cdn_edge.cache import open_cache
from cdn_edge.entry import Entry
from cdn_edge.rsgi import HTTPProtocol, Scope
from cdn_edge.server import edge_server
from models.errors import NotFound

MEMORY = 1_000_000_000
MODIFIED = 1_700_000_000

App = Callable[[Scope, HTTPProtocol], Awaitable[None]]


def entry_of(body: bytes, path: str) -> Entry:
    """What the database would say of this file."""
    return Entry(
        path=path,
        content_type="image/webp",
        etag=hashlib.sha256(body).hexdigest(),
        size=len(body),
        last_modified=MODIFIED,
        immutable=True,
    )


async def serve(root: Path, port: int) -> None:
    """The edge, trusted, with room for everything."""

    async def find(bucket: str, key: str) -> Entry | None:
        file = root / bucket / key
        return (
            entry_of(file.read_bytes(), f"{bucket}/{key}") if file.exists() else None
        )  # in memory

    async def fetch(entry: Entry) -> bytes:
        try:
            return (root / entry.path).read_bytes()
        except FileNotFoundError as error:
            raise NotFound from error

    edge = edge_app(find, fetch, open_cache(MEMORY))
    edge.trust()
    await edge_server(edge, "127.0.0.1", port).serve()


async def serve_bare(root: Path, port: int, *, headers_of_ours: bool) -> None:
    """Granian with next to nothing in it."""
    copies = [Copy(entry_of(file.read_bytes(), ""), file.read_bytes()) for file in _files(root)]
    plain = [("content-type", "image/webp"), ("content-length", str(len(copies[0].body)))]
    turns = itertools.cycle(copies)

    async def app(_: Scope, proto: HTTPProtocol) -> None:
        copy = next(turns)
        proto.response_bytes(200, copy.headers if headers_of_ours else plain, copy.body)

    await Server(
        app,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2048,
        log_enabled=False,
    ).serve()


def _files(root: Path) -> list[Path]:
    return sorted(root.glob("*/*"))


if __name__ == "__main__":
    folder, number, *dress = sys.argv[1:]
    if dress:
        bare = serve_bare(Path(folder), int(number), headers_of_ours=dress == ["dressed"])
        asyncio.run(bare)
    else:
        asyncio.run(serve(Path(folder), int(number)))
