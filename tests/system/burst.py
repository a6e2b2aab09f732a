"""Many requests at the same time, each on a connection of its own, with nothing between."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit


class Got(NamedTuple):
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def rendered(self) -> bool:
        """Whether this answer says that it was rendered, and is not another one's result."""
        said = self.headers.get("cache-status", "")
        return "detail=rendered" in said and "collapsed" not in said


LOST = Got(0, {}, b"")


def burst(urls: Sequence[str], *lines: str, at_once: int = 1000) -> list[Got]:
    """Ask for all of these; LOST for a connection that broke."""
    return asyncio.run(bursting(urls, *lines, at_once=at_once))


async def bursting(urls: Sequence[str], *lines: str, at_once: int = 1000) -> list[Got]:
    """The same in a loop that runs already."""
    turns = asyncio.Semaphore(at_once)

    async def one(url: str) -> Got:
        async with turns:
            try:
                return await ask(url, *lines)
            except (OSError, EOFError, IndexError, ValueError):
                return LOST

    return list(await asyncio.gather(*map(one, urls)))


async def ask(url: str, *lines: str) -> Got:
    """One request, read to its end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = [f"GET {target} HTTP/1.1", "Host: edge", "Connection: close", *lines, "", ""]
    writer.write("\r\n".join(head).encode("latin-1"))
    try:
        async with asyncio.timeout(120):
            received = await reader.read(-1)
    finally:
        writer.close()
    first, _, body = received.partition(b"\r\n\r\n")
    status, headers = head_of(first)
    if int(headers.get("content-length", len(body))) != len(body):
        raise EOFError
    return Got(status, headers, body)


def head_of(received: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers, from what stands before the empty line."""
    status, *fields = received.decode("latin-1").split("\r\n")
    return int(status.split(" ")[1]), dict(field.split(": ", 1) for field in fields)


class Head(NamedTuple):
    """What stands before a body, and where in what was received that begins and ends."""

    status: int
    headers: dict[str, str]
    start: int
    end: int


def head_within(received: bytes | bytearray) -> Head | None:
    """The head of an answer that may not be here yet."""
    at = received.find(b"\r\n\r\n")
    if at < 0:
        return None
    status, headers = head_of(bytes(received[:at]))
    return Head(status, headers, at + 4, at + 4 + int(headers["content-length"]))
