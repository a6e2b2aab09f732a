"""GET and HEAD by object key: a raw RSGI application around a cache."""

import asyncio
import logging
import time
from typing import NamedTuple

from cdn_edge.absences import Absences
from cdn_edge.answers import UNCONFIRMED, Copy, any_condition, describe, permit, refuse, send
from cdn_edge.cache import Cache
from cdn_edge.entry import Entry, Fetch, Find
from cdn_edge.flights import Flight, Flights
from cdn_edge.keys import Address, is_known_query, read_path
from cdn_edge.rsgi import HTTPProtocol, Scope
from cdn_edge.source import Source
from cdn_edge.watch import Watch
from models.errors import BadRequest, Gone, MethodNotAllowed, NotFound, ServiceError, Unavailable
from models.wire import Wire

log = logging.getLogger(__name__)


class Limits(Wire, frozen=True):
    """How long the edge waits, in seconds, and how much it does at once."""

    find_seconds: float = 2.0
    fetch_seconds: float = 10.0
    absent_seconds: float = 5.0
    """A missing key is not looked up again for so long; an upload makes it known all the same."""
    gone_seconds: float = 60.0
    confirmed_seconds: float = 1.0
    """While distrusting, what the database confirmed is good for so long."""
    misses: int = 512
    fetches: int = 64


class Found(NamedTuple):
    """A copy and how we came by it, in the words of Cache-Status and Server-Timing."""

    copy: Copy
    status: str
    timing: str
    age: str | None = None


class Edge:
    """The edge of one process, to be given to granian as it is (`interface=RSGI`).

    It begins distrusting: until `trust()` says that every purge has been heard, a cached copy is
    served only after `find` confirms it. Purges come in through `forget` and its siblings; when
    those return, this process will not serve what was purged. When the disk cannot do its part
    they raise Unavailable: distrust, and try the same purge again before trusting.
    """

    def __init__(self, source: Source, cache: Cache, limits: Limits) -> None:
        self._source = source
        self._cache = cache
        self._get = cache.get
        self._limits = limits
        self._trusted = False
        self._absences = Absences(time.monotonic)
        self._flights: Flights[Found] = Flights(limits.misses)
        self._sweeping: asyncio.Task[None] | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server begins to serve."""
        self._sweeping = loop.create_task(self._cache.sweep())

    def at_once(self, scope: Scope, proto: HTTPProtocol) -> bool:
        """Answer a hit from memory, in whatever thread this is; False when it is none.

        These lines are all that a hit costs.
        """
        copy = self._get(scope.path)
        if copy is None or not self._trusted or scope.query_string or scope.method != "GET":
            return False
        if any_condition(scope.headers):
            send(scope, proto, copy, copy.headers)
        else:
            proto.response_bytes(200, copy.headers, copy.body)
        return True

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer one request."""
        if not self.at_once(scope, proto):
            await self._serve(scope, proto)

    def trust(self) -> None:
        """Every purge up to now has been heard: serve from cache without asking."""
        self._trusted = True

    def distrust(self) -> None:
        """Purges may be missed from now on: confirm each copy before serving it."""
        self._trusted = False

    async def forget(self, bucket: str, key: str) -> None:
        """This object was made, replaced or deleted: look it up anew."""
        await self._forget(Address(bucket, key).path, below=False)

    async def forget_prefix(self, bucket: str, prefix: str) -> None:
        """The same for every key of the bucket that starts so."""
        await self._forget(f"/{bucket}/{prefix}", below=True)

    async def forget_bucket(self, bucket: str) -> None:
        """The same for the whole bucket."""
        await self._forget(f"/{bucket}/", below=True)

    async def forget_everything(self) -> None:
        """The same for all there is: purges were missed and nobody knows which."""
        await self._forget("/", below=True)

    async def bookmark(self) -> str:
        """The mark of the last purge that the copies on disk have been through; '' for none."""
        return await self._cache.bookmark()

    async def set_bookmark(self, mark: str) -> None:
        """Remember how far purges have come, together with the copies. Raises Unavailable."""
        await self._cache.set_bookmark(mark)

    async def _forget(self, path: str, *, below: bool) -> None:
        self._forget_work(path, below=below)
        await self._cache.drop(path, below=below)
        self._forget_work(path, below=below)

    def _forget_work(self, path: str, *, below: bool) -> None:
        (self._flights.forget_prefix if below else self._flights.forget)(path)
        (self._absences.drop_prefix if below else self._absences.drop)(path)

    async def _serve(self, scope: Scope, proto: HTTPProtocol) -> None:
        if scope.method == "OPTIONS":
            permit(proto)
            return
        try:
            found = await self._obtain(_admit(scope))
        except ServiceError as error:
            refuse(scope, proto, error)
        except Exception:
            log.exception("a request for %r failed", scope.path)
            refuse(scope, proto, ServiceError())
        else:
            headers = describe(found.copy, found.status, found.timing, age=found.age)
            send(scope, proto, found.copy, headers)

    async def _obtain(self, address: Address) -> Found:
        copy = self._get(address.path)
        if copy is not None and (self._trusted or copy.confirmed_until > time.monotonic()):
            return Found(copy, "hit; detail=memory", "memory")
        if self._trusted and (status := self._absences.get(address.path)):
            raise Gone if status == Gone.status else NotFound
        found, joined = await self._flights.join(
            address.path, lambda flight: self._bring(address, flight)
        )
        return found._replace(status=f"{found.status}; collapsed") if joined else found

    async def _bring(self, address: Address, flight: Flight[Found]) -> Found:
        """What is on disk if it may be trusted, what is confirmed, or else the stored bytes."""
        watch = Watch()
        on_disk, ticket = await self._cache.read(address.path)
        watch.lap("disk")
        if on_disk and self._trusted:
            return self._keep(address, flight, Found(on_disk, "hit; detail=disk", watch.text()))
        kept = self._get(address.path) or on_disk
        try:
            entry = await self._find(address, flight)
        except Unavailable:
            if kept is None:
                raise
            return Found(kept, "hit; detail=unconfirmed", watch.text(), UNCONFIRMED)
        watch.lap("find")
        if kept and kept.entry.etag == entry.etag:
            found = Found(Copy(entry, kept.body), "hit; detail=confirmed", watch.text())
            return self._keep(address, flight, found)
        return await self._take(address, flight, entry, ticket, watch)

    async def _find(self, address: Address, flight: Flight[Found]) -> Entry:
        try:
            return await self._source.find(address)
        except (NotFound, Gone) as error:
            if not flight.stale:
                gone = error.status == Gone.status
                seconds = self._limits.gone_seconds if gone else self._limits.absent_seconds
                self._absences.put(address.path, error.status, seconds)
            raise

    async def _take(
        self, address: Address, flight: Flight[Found], entry: Entry, ticket: int, watch: Watch
    ) -> Found:
        entry, body = await self._source.fetch(address, entry)
        watch.lap("fetch")
        copy = Copy(entry, body)
        self._cache.write(address.path, copy, ticket)
        return self._keep(address, flight, Found(copy, "fwd=uri-miss", watch.text()))

    def _keep(self, address: Address, flight: Flight[Found], found: Found) -> Found:
        """Remember a copy, unless it was purged while it was on its way."""
        if not flight.stale:
            found.copy.confirmed_until = time.monotonic() + self._limits.confirmed_seconds
            self._cache.keep(address.path, found.copy)
        return found


def edge_app(find: Find, fetch: Fetch, cache: Cache, limits: Limits | None = None) -> Edge:
    """The edge over these two functions and this cache."""
    limits = limits or Limits()
    source = Source(
        find,
        fetch,
        find_seconds=limits.find_seconds,
        fetch_seconds=limits.fetch_seconds,
        fetches=limits.fetches,
    )
    return Edge(source, cache, limits)


def _admit(scope: Scope) -> Address:
    """The address this request may ask for, or the reason why not."""
    if scope.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed
    address = read_path(scope.path)
    if address is None:
        raise BadRequest("This is not the address of an image.")
    if not is_known_query(scope.query_string):
        raise BadRequest("This address takes no parameters but 'v'.")
    return address
