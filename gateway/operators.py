"""What operators and their machines ask a process: its numbers, its life, its readiness."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import msgspec
import structlog

from gateway.prometheus import CONTENT_TYPE
from models.settings import Settings, SettingsError
from models.wire import Wire

log = structlog.get_logger(__name__)

PORTS = {"up": 8002, "gateway": 8002, "edge": 8003, "pipeline": 8004}

_ANY = -1
_PATIENCE_SECONDS = 10.0
_RUDENESS = (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError)
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Standing(Wire, frozen=True):
    """Whether a process may be given work, and what it says of everything it needs."""

    ready: bool
    role: str
    checks: dict[str, str] = msgspec.field(default_factory=dict)


class Answer(NamedTuple):
    """A status, what kind of body, and the body."""

    status: int
    kind: str
    body: bytes


class Operators:
    """The questions of operators and who answers them; the answers may be exchanged any time."""

    def __init__(self, role: str, numbers: Callable[[], Awaitable[bytes]] | None) -> None:
        self.role = role
        self.draining = False
        self.numbers = numbers
        """The text for Prometheus; None when there are no metrics."""
        self.stand: Callable[[], Awaitable[Standing]] = self._starting

    @property
    def works(self) -> bool:
        """Whether the start is over, and the end not begun."""
        return not self.draining and self.stand != self._starting

    async def answer(self, method: str, path: str) -> Answer:
        """What a request is answered."""
        if method not in {"GET", "HEAD"}:
            return Answer(405, "text/plain", b"")
        match path:
            case "/metrics" if self.numbers is not None:
                return Answer(200, CONTENT_TYPE, await self.numbers())
            case "/healthz":
                return Answer(200, "application/json", b'{"status":"ok"}')
            case "/readyz":
                return await self._readiness()
        return Answer(404, "text/plain", b"")

    async def _readiness(self) -> Answer:
        standing = Standing(ready=False, role=self.role, checks={"draining": "stops soon"})
        if not self.draining:
            standing = await self.stand()
        status = 200 if standing.ready else 503
        return Answer(status, "application/json", msgspec.json.encode(standing))

    async def _starting(self) -> Standing:
        return Standing(ready=False, role=self.role, checks={"start": "not finished"})


@contextlib.asynccontextmanager
async def listening(operators: Operators, settings: Settings) -> AsyncIterator[str]:
    """Answer operators while the block runs; the address. SettingsError when it cannot be had."""
    sock = listen(settings, PORTS[operators.role])
    host, port = sock.getsockname()[:2]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_RUDENESS):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await _converse(operators, reader, writer)
        writer.close()

    async with await asyncio.start_server(serve, sock=sock):
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listen(settings: Settings, usual: int) -> socket.socket:
    """A socket for operators: the port that was set, or else the usual one, or else any."""
    host, port = settings.metrics_host, settings.metrics_port
    try:
        return _bound(host, usual if port == _ANY else port)
    except OSError as error:
        if port != _ANY:
            raise SettingsError(
                f"Cannot listen on {host}:{port} ({error.strerror}): "
                "choose another CALOTYPE_METRICS_PORT."
            ) from None
    sock = _bound(host, 0)
    log.warning("another port for operators", taken=usual, port=sock.getsockname()[1])
    return sock


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


async def _converse(
    operators: Operators, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One request and its answer; the connection ends with it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, target, _ = head.split("\r\n", 1)[0].split(" ")
    status, kind, body = await operators.answer(method, target.partition("?")[0])
    lines = (
        f"HTTP/1.1 {status} {_REASONS[status]}",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "connection: close",
    )
    writer.write("\r\n".join((*lines, "", "")).encode() + (b"" if method == "HEAD" else body))
    await writer.drain()
