"""The tunnel: a proxy on loopback through which customers' storage is reached, and nothing else.

The library that speaks S3 resolves and connects by itself, out of our sight. It is told to use
this proxy, so every socket is opened here, to an address that was checked here: a name that
changes its answer between check and use, or a redirect, leads nowhere.
"""

import asyncio
import base64
import contextlib
import hmac
import secrets
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import urlsplit

from models.errors import BadSource, ForbiddenSource
from pipeline.egress import MAX_TRIES, Address, Egress, checked_addresses

_HEAD_BYTES = 64 * 1024
_HEAD_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_CHUNK = 256 * 1024
_AWAY = (OSError, TimeoutError)
_USER = "calotype"

_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSALS = {
    400: b"Bad Request",
    403: b"Forbidden",
    407: b"Proxy Authentication Required",
    502: b"Bad Gateway",
}


class _Refused(Exception):
    """This request goes nowhere; the argument is the status that says why."""


class _Asked(NamedTuple):
    """Where a request wants to go, and what has been read of it that goes on."""

    host: str
    port: int
    forwarded: bytes
    proof: str


class Tunnel:
    """Connects who knows the token to addresses that `egress` allows.

    CONNECT reaches them all. A request in plain text goes only where a test opened a port of this
    machine: a customer's storage is always spoken to in TLS.
    """

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self._token = secrets.token_urlsafe(32)
        self._links: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """The address to give as a proxy. It holds the token: not for logs."""
        return f"http://{_USER}:{self._token}@127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        link = asyncio.get_running_loop().create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(*_AWAY, asyncio.IncompleteReadError):
            try:
                far_reader, far_writer = await self._open(await _asked(reader), writer)
            except _Refused as refusal:
                status = refusal.args[0]
                reason = _REFUSALS[status]
                writer.write(b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\n\r\n" % (status, reason))
                await writer.drain()
                return
            with contextlib.closing(far_writer):
                await _join((reader, far_writer), (far_reader, writer))

    async def _open(self, asked: _Asked, writer: StreamWriter) -> tuple[StreamReader, StreamWriter]:
        if not hmac.compare_digest(asked.proof.encode(), _proof(self._token).encode()):
            raise _Refused(407)
        far_reader, far_writer = await self._connect(asked)
        if asked.forwarded:
            far_writer.write(asked.forwarded)
        else:
            writer.write(_OPEN)
        return far_reader, far_writer

    async def _connect(self, asked: _Asked) -> tuple[StreamReader, StreamWriter]:
        for address in (await self._addresses(asked))[:MAX_TRIES]:
            with contextlib.suppress(*_AWAY):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(str(address), asked.port)
        raise _Refused(502)

    async def _addresses(self, asked: _Asked) -> list[Address]:
        try:
            found = await checked_addresses(self.egress, asked.host, asked.port)
        except ForbiddenSource:
            raise _Refused(403) from None
        except BadSource:
            raise _Refused(502) from None
        opened = {(str(address), asked.port) for address in found} <= self.egress.allow
        if asked.forwarded and not opened:
            raise _Refused(403)
        return found


async def _asked(reader: StreamReader) -> _Asked:
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, _version = line.split(" ")
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = url.port or 0
    except (ValueError, asyncio.LimitOverrunError):
        raise _Refused(400) from None
    if url.hostname is None or (method != "CONNECT" and url.scheme != "http"):
        raise _Refused(400)
    proof, kept = _without_proof(fields)
    forwarded = "" if method == "CONNECT" else "\r\n".join((line, *kept, "", ""))
    return _Asked(url.hostname, port or 80, forwarded.encode("latin-1"), proof)


def _without_proof(fields: list[str]) -> tuple[str, list[str]]:
    """The Proxy-Authorization of a request, and its other header lines."""
    proof, kept = "", []
    for field in fields:
        name, _, value = field.partition(":")
        if name.strip().lower() == "proxy-authorization":
            proof = value.strip()
        else:
            kept.append(field)
    return proof, kept


def _proof(token: str) -> str:
    return "Basic " + base64.b64encode(f"{_USER}:{token}".encode()).decode()


async def _join(*ways: tuple[StreamReader, StreamWriter]) -> None:
    """Carry bytes both ways until one side ends: S3 has no use for half a connection."""
    tasks = [asyncio.create_task(_carry(*way)) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
