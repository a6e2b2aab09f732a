"""Reading queries: what each means is worked out once, and known from then on.

A hit on a derivative asks here in granian's own thread: what is known is looked up in dicts that
only the event loop changes, and counts only while the policy it was read under is the newest.
"""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from cdn_edge.answers import BRIEFLY, Headers, asker
from cdn_edge.asked import Asked, extras
from cdn_edge.asking import understand
from cdn_edge.keys import Address
from cdn_edge.policies import Policies
from cdn_edge.policy import Policy
from cdn_edge.rsgi import RequestHeaders, Scope
from cdn_edge.wish import Wish

BucketOf: TypeAlias = Callable[[Address], Awaitable[str]]
"""The public id of the bucket that an object is in."""

_MOST = 10_000
_LONGEST = 1000
"""Characters of a query, and of the headers it looks at, that are worth remembering."""


class _Known(NamedTuple):
    """A name in the cache with its headers; or the headers to look at first."""

    bucket: str
    policy: Policy
    looks_at: tuple[str, ...] = ()
    name: str = ""
    extras: Headers | None = None


class Reading:
    """Understands queries; remembers a bounded number of them."""

    def __init__(
        self, policies: Policies, bucket_of: BucketOf, *, local: bool, most: int = _MOST
    ) -> None:
        self._policies = policies
        self._bucket_of = bucket_of
        self._local = local
        self._most = most
        self._known: dict[tuple[str, ...], _Known] = {}

    def known(self, scope: Scope) -> tuple[str, Headers | None] | None:
        """The cache's name for what this asks, and its headers, if that is known and still so."""
        known = self._known.get((scope.path, scope.query_string))
        if known is not None and known.looks_at:
            known = self._known.get(_varied(scope, known.looks_at))
        if known is None or self._policies.newest(known.bucket) is not known.policy:
            return None
        return known.name, known.extras

    async def read(self, scope: Scope, address: Address) -> Asked:
        """What this asks. Raises what `understand` raises, NotFound and Unavailable."""
        bucket = await self._bucket_of(address)
        policy = await self._policies.of(bucket)
        wish = understand(
            policy,
            scope.path,
            scope.query_string,
            asker(scope),
            now=time.time(),
            local=self._local,
        )
        asked = Asked(address, wish, policy.account)
        if wish.expires is None and not wish.download:
            self._remember(scope, asked, _Known(bucket, policy))
        return asked

    def _remember(self, scope: Scope, asked: Asked, known: _Known) -> None:
        assert asked.wish is not None  # noqa: S101  # it was just read
        looks_at = tuple(name.lower() for name in asked.wish.vary)
        key: tuple[str, ...] = (scope.path, scope.query_string)
        if looks_at:
            self._put(key, known._replace(looks_at=looks_at))
            key = _varied(scope, looks_at)
        more = _age(asked.wish) + extras(asked)
        self._put(key, known._replace(name=asked.name, extras=more))

    def _put(self, key: tuple[str, ...], known: _Known) -> None:
        if sum(map(len, key)) > _LONGEST:
            return
        if len(self._known) >= self._most:
            self._known = {}  # a reader in another thread has either the old one or the new one
        self._known[key] = known


def _age(wish: Wish) -> Headers:
    """What may mean something else tomorrow is kept briefly, whatever it is made from."""
    return [("cache-control", BRIEFLY)] if wish.passing else []


def _varied(scope: Scope, names: tuple[str, ...]) -> tuple[str, ...]:
    """A key of another length than a query's own, also for who sends none of these headers."""
    headers: RequestHeaders = scope.headers
    lines = [f"{name}:{value}" for name, value in headers.items() if name in names]
    return (scope.path, scope.query_string, "varied", *lines)
