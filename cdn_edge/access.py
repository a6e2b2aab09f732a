"""A line in the log for every answer of an edge, for who wants that.

A line costs more than a hit: so an answer is only noted in the thread that gave it, and lines are
written twice a second. Who asks, and with which query, is not in them.
"""

import asyncio
import time
from collections import deque
from typing import NamedTuple

import structlog

from cdn_edge.app import Edge
from cdn_edge.rsgi import HTTPProtocol, Scope
from models.trail import is_harmless, on_behalf, trail

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.5
_MOST = 100_000
"""Answers that may wait to be written; of more, the oldest are left out."""


class _Answer(NamedTuple):
    at: float
    scope: Scope
    request_id: str
    status: int
    size: int
    seconds: float


class _Witness:
    """Passes an answer on, and notes it."""

    __slots__ = ("_began", "_notes", "_proto", "_scope")

    def __init__(self, scope: Scope, proto: HTTPProtocol, notes: deque[_Answer]) -> None:
        self._scope = scope
        self._proto = proto
        self._notes = notes
        self._began = time.time()

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""
        self._proto.response_empty(status, headers)
        self._note(status, 0)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with these bytes."""
        self._proto.response_bytes(status, headers, body)
        self._note(status, len(body))

    def _note(self, status: int, size: int) -> None:
        now = time.time()
        seconds, request_id = now - self._began, trail().request_id
        self._notes.append(_Answer(now, self._scope, request_id, status, size, seconds))


class WitnessedEdge:
    """An edge whose answers are told in the log; `run` writes them."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._notes: deque[_Answer] = deque(maxlen=_MOST)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server begins to serve."""
        self._edge.__rsgi_init__(loop)

    def at_once(self, scope: Scope, proto: HTTPProtocol) -> bool:
        """Answer in whatever thread this is, or say False and do nothing."""
        return self._edge.at_once(scope, _Witness(scope, proto, self._notes))

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer one request."""
        await self._edge.__rsgi__(scope, _Witness(scope, proto, self._notes))

    async def run(self) -> None:
        """Write what was answered, until cancelled and to the end."""
        try:
            while True:
                await asyncio.sleep(_PAUSE_SECONDS)
                await asyncio.to_thread(self._write)
        finally:
            self._write()

    def _write(self) -> None:
        for _ in range(len(self._notes)):
            one = self._notes.popleft()
            _tell(one)


def _tell(one: _Answer) -> None:
    """A hit has the id that its request brought, if it is harmless."""
    given = dict(one.scope.headers.items()).get("x-request-id", "")
    with on_behalf(one.request_id or (given if is_harmless(given) else "")):
        log.info(
            "answered",
            at=round(one.at, 3),
            method=one.scope.method,
            path=one.scope.path[:200],
            status=one.status,
            size=one.size,
            seconds=round(one.seconds, 6),
        )
