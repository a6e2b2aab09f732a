"""Where the edge gets what it does not have: the database and object storage, with patience."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from cdn_edge.entry import Entry, Fetch, Find
from cdn_edge.keys import Address
from models.errors import Gone, NotFound, Unavailable

T = TypeVar("T")

_LARGE = 1 << 20
"""From here on hashing takes about a millisecond or more, and is sent to a thread."""
_FAILURES = 5
"""So many failed look-ups in a row mean that the database is away."""
_REST = 1.0
"""Seconds until it is asked again."""

_CATCH_UP = (0.0, 0.2, 0.4, 0.8)
"""Pauses in seconds: a customer's object is overwritten a moment before its row is."""

log = structlog.get_logger(__name__)


class Source:
    """`find` and `fetch` within their time, so many fetches at once, and every body checked."""

    def __init__(
        self, find: Find, fetch: Fetch, *, find_seconds: float, fetch_seconds: float, fetches: int
    ) -> None:
        self._find, self._find_seconds = find, find_seconds
        self._fetch, self._fetch_seconds = fetch, fetch_seconds
        self._turns = asyncio.Semaphore(fetches)
        self._share = max(1, fetches // 4)
        self._shares: dict[str, asyncio.Semaphore] = {}
        self._failures = 0
        self._rest_until = 0.0

    async def find(self, address: Address) -> Entry:
        """The committed entry. Raises NotFound, Gone or Unavailable and nothing else."""
        entry = await self._look(address)
        if entry is None:
            raise NotFound
        if entry.gone:
            raise Gone
        return entry

    async def fetch(self, address: Address, entry: Entry) -> tuple[Entry, bytes]:
        """The bytes of this entry, or of its successor when it is replaced at this moment."""
        body = await self._read(entry)
        for pause in _CATCH_UP if entry.store else (0.0,):
            if body is not None:
                break
            await asyncio.sleep(pause)
            entry = await self.find(address)
            body = await self._read(entry)
        if body is None:
            log.error("object storage does not hold what it should", path=address.path)
            raise Unavailable
        return entry, body

    async def _look(self, address: Address) -> Entry | None:
        """Ask the database; when it keeps failing, let it rest instead of making readers wait."""
        if time.monotonic() < self._rest_until:
            raise Unavailable(retry_after=1)
        try:
            entry = await _in_time(self._find(*address), self._find_seconds, "database")
        except Unavailable:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._rest_until = time.monotonic() + _REST
            raise
        self._failures = 0
        return entry

    async def _read(self, entry: Entry) -> bytes | None:
        """None when the object is not there or is not these bytes."""
        try:
            stored = await _in_time(self._turn(entry), self._fetch_seconds, "object storage")
        except NotFound:
            return None
        body = stored if isinstance(stored, bytes) else bytes(memoryview(stored))  # type: ignore[arg-type]  # any buffer; typing has no word for it in 3.11
        small = len(body) < _LARGE
        digest = _digest(body) if small else await asyncio.to_thread(_digest, body)
        return body if digest == entry.etag else None

    async def _turn(self, entry: Entry) -> object:
        """A customer's storage waits for itself first: one that hangs takes but its share."""
        async with contextlib.AsyncExitStack() as turn:
            if entry.store:
                await turn.enter_async_context(self._share_of(entry.store))
            await turn.enter_async_context(self._turns)
            return await self._fetch(entry)

    def _share_of(self, store: str) -> asyncio.Semaphore:
        return self._shares.setdefault(store, asyncio.Semaphore(self._share))


async def _in_time(work: Awaitable[T], seconds: float, what: str) -> T:
    """The result, or Unavailable: whatever goes wrong behind us is not the reader's business."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except NotFound:
        raise
    except Exception as error:
        log.warning("a look-up failed", of=what, reason=repr(error))
        raise Unavailable from error


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
