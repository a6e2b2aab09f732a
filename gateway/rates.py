"""Rate limits: how often one key may ask, and how often one address may guess."""

import asyncio
import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from litestar.connection import ASGIConnection

from gateway.requests import add_header
from models.accounts import Caller
from models.errors import TooManyRequests
from models.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

log = structlog.get_logger(__name__)

AnyConnection = ASGIConnection[Any, Any, Any, Any]

_PIXELS = frozenset(("images-create", "images-update", "images-generate", "images-convert-fly"))
_STORE_SECONDS = 1.0
_MOST_CONNECTIONS = 16
_PAUSE_SECONDS = 2.0
_LOG_SECONDS = 60.0
_MOST_ADDRESSES = 10_000
_MOST_FRIENDS = 10_000


class Limit(NamedTuple):
    """So many requests in so many seconds; the name is for the headers."""

    name: str
    item: RateLimitItem


class Standing(NamedTuple):
    """How a key stands with one limit, after this request."""

    limit: Limit
    allowed: bool
    remaining: int
    seconds: int


class Rates:
    """Counts requests by key, in this process or in a store that several gateways share.

    A store that is away allows everything: no customer is refused because we cannot count.
    """

    def __init__(self, store: str, every: str, pixels: str, logins: str = "") -> None:
        self._pool = _pool(store) if store else None
        self._limiter = SlidingWindowCounterRateLimiter(_storage(self._pool))
        self.every = _limits("requests", every)
        self._pixels = _limits("pixels", pixels)
        self._logins = _limits("logins", logins)
        self._away_until = self._log_after = -math.inf

    async def count(self, key_id: str, *, pixels: bool) -> Sequence[Standing]:
        """Count one request, against the limit of those that make pixels too if it does."""
        return await self._count([*self.every, *(self._pixels if pixels else [])], key_id)

    async def try_login(self, who: str) -> Sequence[Standing]:
        """Count one log-in that is tried, for a user or from an address."""
        return await self._count(self._logins, who)

    async def _count(self, limits: Sequence[Limit], key_id: str) -> Sequence[Standing]:
        if not limits or time.monotonic() < self._away_until:
            return []
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                return [await self._stand(limit, key_id) for limit in limits]
        except (StorageError, OSError, TimeoutError) as error:
            self._doubt(error)
            return []

    async def aclose(self) -> None:
        """Leave the store."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _stand(self, limit: Limit, key_id: str) -> Standing:
        allowed = await self._limiter.hit(limit.item, limit.name, key_id)
        window = await self._limiter.get_window_stats(limit.item, limit.name, key_id)
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        return Standing(limit, allowed, max(0, window.remaining), seconds)

    def _doubt(self, error: Exception) -> None:
        """Do not ask the store for a moment: everybody would wait for it."""
        now = time.monotonic()
        self._away_until = now + _PAUSE_SECONDS
        if now >= self._log_after:
            self._log_after = now + _LOG_SECONDS
            log.warning("nobody counts requests: the store is away", reason=repr(error))


def _pool(store: str) -> "BlockingConnectionPool":
    """Connections to the store, made when they are needed."""
    from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415 slow, and few gateways share

    # Valkey speaks the same protocol; only the name in its address differs.
    return BlockingConnectionPool.from_url(
        store.replace("valkey", "redis", 1),
        max_connections=_MOST_CONNECTIONS,
        timeout=_STORE_SECONDS,
        socket_timeout=_STORE_SECONDS,
        socket_connect_timeout=_STORE_SECONDS,
    )


def _storage(pool: "BlockingConnectionPool | None") -> MemoryStorage | RedisStorage:
    if pool is None:
        return MemoryStorage()
    return RedisStorage(
        "redis://",
        implementation="redispy",
        wrap_exceptions=True,
        connection_pool=pool,  # type: ignore[arg-type]  # it is what the library asks for
    )


def _limits(name: str, text: str) -> list[Limit]:
    return [Limit(name, parse(text))] if text else []


class Strangers:
    """Who sends wrong keys: counted by address in a bounded table.

    A key that was right lately passes from any address: one stranger behind a proxy does not
    shut out everybody else behind it.
    """

    def __init__(self, limit: str) -> None:
        item = parse(limit) if limit else None
        self._most = item.amount if item else math.inf
        self._seconds = item.get_expiry() if item else 1
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._friends: OrderedDict[bytes, None] = OrderedDict()

    @property
    def size(self) -> tuple[int, int]:
        """How many addresses and keys are remembered."""
        return len(self._wrong), len(self._friends)

    def check(self, address: str, authorization: str) -> None:
        """Raise TooManyRequests for an unknown key from an address that sent too many wrong."""
        if not self._wrong:
            return
        until, count = self._wrong.get(network_of(address), (0.0, 0))
        left = until - time.monotonic()
        if count >= self._most and left > 0 and _digest(authorization) not in self._friends:
            raise TooManyRequests("Too many wrong API keys.", retry_after=math.ceil(left))

    def wrong(self, address: str) -> None:
        """Note that a wrong key came from there."""
        network, now = network_of(address), time.monotonic()
        until, count = self._wrong.pop(network, (0.0, 0))
        self._wrong[network] = (until, count + 1) if until > now else (now + self._seconds, 1)
        if len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def right(self, authorization: str) -> None:
        """Note that a key was right."""
        digest = _digest(authorization)
        self._friends.pop(digest, None)
        self._friends[digest] = None
        if len(self._friends) > _MOST_FRIENDS:
            self._friends.popitem(last=False)


def _digest(authorization: str) -> bytes:
    return hashlib.blake2b(authorization.encode(), digest_size=16).digest()


def network_of(address: str) -> str:
    """What one customer has: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address) or parsed.ipv4_mapped:
        return str(getattr(parsed, "ipv4_mapped", None) or parsed)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def open_rates(settings: Settings) -> tuple[Rates, Strangers]:
    """What settings allow. Nothing is connected yet."""
    limits = (settings.rate_limit, settings.rate_limit_pixels, settings.rate_limit_logins)
    return Rates(settings.rate_limit_store, *limits), Strangers(settings.rate_limit_strangers)


async def count_request(connection: AnyConnection, caller: Caller, needed: str) -> None:
    """Count a request of a known key; its answer tells how the key stands.

    Raises TooManyRequests, before anything of the body is read.
    """
    rates: Rates = connection.app.state.rates
    pixels = needed in _PIXELS and connection.scope.get("method") != "GET"
    standings = await rates.count(caller.key_id, pixels=pixels)
    if not standings:
        return
    for name, value in headers_of(standings).items():
        add_header(connection.scope, name, value)
    refused = [one.seconds for one in standings if not one.allowed]
    if refused:
        raise TooManyRequests(retry_after=max(refused))


def headers_of(standings: Sequence[Standing]) -> dict[str, str]:
    """Both spellings in use: three headers of the tightest limit, and the draft's two of all."""
    tight = min(standings, key=lambda one: (one.allowed, one.remaining))
    windows = [(one, one.limit.item) for one in standings]
    return {
        "ratelimit-limit": str(tight.limit.item.amount),
        "ratelimit-remaining": str(tight.remaining),
        "ratelimit-reset": str(tight.seconds),
        "ratelimit-policy": ", ".join(
            f'"{one.limit.name}";q={item.amount};w={item.get_expiry()}' for one, item in windows
        ),
        "ratelimit": ", ".join(
            f'"{one.limit.name}";r={one.remaining};t={one.seconds}' for one in standings
        ),
    }
