"""GET and HEAD by object key, as it is stored or converted: a raw RSGI application."""

import asyncio
import time
from time import perf_counter

import structlog

from cdn_edge.answers import any_condition, beside, permit, refuse, send
from cdn_edge.asked import Asked
from cdn_edge.cache import Cache
from cdn_edge.dressing import dressed
from cdn_edge.entry import Fetch, Find
from cdn_edge.grammar import may_shape
from cdn_edge.keys import Address, is_known_query, read_path
from cdn_edge.lookup import lookup
from cdn_edge.policies import Policies
from cdn_edge.reading import Reading
from cdn_edge.rsgi import HTTPProtocol, Scope
from cdn_edge.source import Source
from cdn_edge.supply import COLLAPSED, Limits, Making, Supply
from cdn_edge.tallies import NONE, Noted, Tallies, tier_of
from models.errors import BadRequest, MethodNotAllowed, Overloaded, ServiceError
from models.meter import Meter
from models.traces import Span

__all__ = ["Conversion", "Edge", "Limits", "edge_app"]

log = structlog.get_logger(__name__)


class Conversion:
    """What an edge needs to convert: who may, and who does it."""

    def __init__(self, policies: Policies, making: Making, *, local: bool) -> None:
        self.policies = policies
        self.making = making
        self.local = local


class Edge:
    """The edge of one process, to be given to granian as it is (`interface=RSGI`).

    It begins distrusting: until `trust()` says that every purge has been heard, a cached copy is
    served only after `find` confirms it. Purges come in through `forget` and its siblings; when
    those return, this process will not serve what was purged. When the disk cannot do its part
    they raise Unavailable: distrust, and try the same purge again before trusting.
    """

    def __init__(
        self, supply: Supply, cache: Cache, reading: Reading | None, meter: Meter | None = None
    ) -> None:
        self._tallies = Tallies(meter or Meter())
        self._note_hit = self._tallies.note_hit
        self._supply = supply
        self._cache = cache
        self._get = cache.get
        self._reading = reading
        self._sweeping: asyncio.Task[None] | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server begins to serve."""
        self._sweeping = loop.create_task(self._cache.sweep())

    def at_once(self, scope: Scope, proto: HTTPProtocol) -> bool:
        """Answer a hit from memory, in whatever thread this is; False when it is none.

        These lines are all that a hit costs.
        """
        began, name, extras = perf_counter(), scope.path, None
        if scope.query_string:
            known = self._reading.known(scope) if self._reading else None
            if known is None:
                return self._refused(scope, proto, began)
            name, extras = known
        copy = self._get(name)
        if copy is None:
            return self._refused(scope, proto, began)
        if not self._supply.trusted or scope.method != "GET":
            return False
        headers = beside(copy.headers, extras) if extras else copy.headers
        if any_condition(scope.headers):
            noted = Noted(proto)
            send(scope, noted, copy, headers)
            self._note_hit(noted.status, noted.size, began)
        else:
            proto.response_bytes(200, headers, copy.body)
            self._note_hit(200, len(copy.body), began)
        return True

    def _refused(self, scope: Scope, proto: HTTPProtocol, began: float) -> bool:
        """Whether this was refused without asking anybody: who floods us costs us little."""
        error = self._refusal(scope) if scope.method in {"GET", "HEAD"} else None
        if error is None:
            return False
        noted = Noted(proto)
        refuse(scope, noted, error)
        self._tallies.answered(NONE, noted, began)
        return True

    def _refusal(self, scope: Scope) -> ServiceError | None:
        """What was not there a moment ago, or would have to be made while there is no room."""
        if not scope.query_string:
            return self._supply.absence(scope.path)
        if self._reading is None or not self._supply.full or not may_shape(scope.query_string):
            return None
        known = self._reading.known(scope)
        here = known is not None and not self._supply.lacks(known[0])
        return None if here else Overloaded(retry_after=1)

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer one request."""
        if not self.at_once(scope, proto):
            began, noted = perf_counter(), Noted(proto)
            tier = await self._serve(scope, noted)
            self._tallies.answered(tier, noted, began)

    @property
    def trusted(self) -> bool:
        """Whether copies are served without asking."""
        return self._supply.trusted

    def trust(self) -> None:
        """Every purge up to now has been heard: serve from cache without asking."""
        self._supply.trusted = True

    def distrust(self) -> None:
        """Purges may be missed from now on: confirm each copy before serving it."""
        self._supply.trusted = False

    async def forget(self, bucket: str, key: str) -> None:
        """This object was made, replaced or deleted: look it up anew."""
        await self._supply.forget(Address(bucket, key).path, below=False)

    async def forget_prefix(self, bucket: str, prefix: str) -> None:
        """The same for every key of the bucket that starts so."""
        await self._supply.forget(f"/{bucket}/{prefix}", below=True)

    async def forget_bucket(self, bucket: str) -> None:
        """The same for the whole bucket."""
        await self._supply.forget(f"/{bucket}/", below=True)

    async def forget_everything(self) -> None:
        """The same for all there is: purges were missed and nobody knows which."""
        await self._supply.forget("/", below=True)

    async def bookmark(self) -> str:
        """The mark of the last purge that the copies on disk have been through; '' for none."""
        return await self._cache.bookmark()

    async def set_bookmark(self, mark: str) -> None:
        """Remember how far purges have come, together with the copies. Raises Unavailable."""
        await self._cache.set_bookmark(mark)

    async def _serve(self, scope: Scope, proto: HTTPProtocol) -> str:
        """Answer; the tier that the answer came from."""
        if scope.method == "OPTIONS":
            permit(proto)
            return NONE
        with lookup(scope) as seen:
            return await self._answer(scope, proto, seen)

    async def _answer(self, scope: Scope, proto: HTTPProtocol, seen: Span) -> str:
        try:
            asked = await self._read(scope)
            found = await self._supply.obtain(asked)
        except ServiceError as error:
            seen.note(status=error.status)
            refuse(scope, proto, error)
        except Exception:
            log.exception("unexpected failure", path=scope.path)
            seen.note(status=ServiceError.status)
            refuse(scope, proto, ServiceError())
        else:
            seen.note(found=found.status)
            send(scope, proto, found.copy, dressed(found, asked, time.time()))
            if found.status.endswith(COLLAPSED):
                self._tallies.collapsed()
            return tier_of(found.status)
        return NONE

    async def _read(self, scope: Scope) -> Asked:
        """What this request asks for, or the reason why it may not."""
        if scope.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed
        address = read_path(scope.path)
        if address is None:
            raise BadRequest("This is not the address of an image.")
        if is_known_query(scope.query_string):
            return Asked(address)
        if self._reading is None:
            raise BadRequest("This address takes no parameters but 'v'.")
        return await self._reading.read(scope, address)


def edge_app(
    find: Find,
    fetch: Fetch,
    cache: Cache,
    limits: Limits | None = None,
    conversion: Conversion | None = None,
    meter: Meter | None = None,
) -> Edge:
    """The edge over these two functions and this cache; with a `conversion` it converts."""
    limits = limits or Limits()
    source = Source(
        find,
        fetch,
        find_seconds=limits.find_seconds,
        fetch_seconds=limits.fetch_seconds,
        fetches=limits.fetches,
    )
    if conversion is None:
        return Edge(Supply(source, cache, limits), cache, None, meter)
    supply = Supply(source, cache, limits, conversion.making)
    reading = Reading(conversion.policies, supply.bucket_of, local=conversion.local)
    return Edge(supply, cache, reading, meter)
