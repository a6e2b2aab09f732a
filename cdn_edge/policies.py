"""Policies as the edge remembers them: bounded, briefly, and for longer while nobody can tell."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

import structlog

from cdn_edge.flights import Flight, Flights
from cdn_edge.policy import Policy
from models.errors import NotFound, Unavailable

log = structlog.get_logger(__name__)

Look: TypeAlias = Callable[[str], Awaitable[Policy | None]]
"""`look(bucket public id)`: its policy as committed, or None. Raises Unavailable."""

_MOST = 10_000
_TRUSTED_SECONDS = 60.0
"""While every change is heard, this is only for what nobody says."""
_DOUBTED_SECONDS = 1.0
"""While changes may be missed."""
_LOOK_SECONDS = 2.0
_REST_SECONDS = 1.0
"""How long a database that fails is not asked again."""
_MOST_AT_ONCE = 256
_STALE_SECONDS = 3600.0
"""How long a policy is used that cannot be looked up again."""


class _Kept(NamedTuple):
    policy: Policy | None
    since: float


class Policies:
    """Gives the policy of a bucket; a change counts as soon as it is heard of.

    While the database is away the policy known last holds, for an hour, unless it was heard that
    it changed: then nobody knows, and nothing is allowed.
    """

    def __init__(
        self, look: Look, clock: Callable[[], float] = time.monotonic, *, most: int = _MOST
    ) -> None:
        self._look = look
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._flights: Flights[Policy | None] = Flights(_MOST_AT_ONCE)
        self._seconds = _DOUBTED_SECONDS
        self._rest_until = -math.inf

    def __len__(self) -> int:
        return len(self._kept)

    async def of(self, public_id: str) -> Policy:
        """The policy of this bucket. Raises NotFound or Unavailable."""
        kept = self._kept.get(public_id)
        policy = kept.policy if kept and self._is_fresh(kept) else await self._asked(public_id)
        if policy is None:
            raise NotFound
        return policy

    def newest(self, public_id: str) -> Policy | None:
        """The policy that `of` would give without asking anybody, in whatever thread this is."""
        kept = self._kept.get(public_id)
        return kept.policy if kept and self._is_fresh(kept) else None

    def trust(self) -> None:
        """Every change up to now has been heard."""
        self._seconds = _TRUSTED_SECONDS

    def distrust(self) -> None:
        """Changes may be missed from now on: look often."""
        self._seconds = _DOUBTED_SECONDS

    def forget(self, account: str) -> None:
        """Something is different for this account's buckets: look them up again."""
        self._flights.forget_prefix("")
        for public_id, kept in list(self._kept.items()):
            if kept.policy is None or kept.policy.account == account:
                del self._kept[public_id]

    def forget_everything(self) -> None:
        """Look every bucket up again."""
        self._flights.forget_prefix("")
        self._kept.clear()

    def _is_fresh(self, kept: _Kept) -> bool:
        seconds = self._seconds if kept.policy else _DOUBTED_SECONDS
        return self._clock() - kept.since < seconds

    async def _asked(self, public_id: str) -> Policy | None:
        if self._clock() < self._rest_until:
            return self._stale(public_id)
        try:
            policy, _ = await self._flights.join(
                public_id, lambda flight: self._look_up(public_id, flight)
            )
        except Unavailable:
            self._rest_until = self._clock() + _REST_SECONDS
            return self._stale(public_id)
        return policy

    async def _look_up(self, public_id: str, flight: Flight[Policy | None]) -> Policy | None:
        policy = await self._in_time(public_id)
        if not flight.stale:
            self._kept.pop(public_id, None)
            while len(self._kept) >= self._most:
                self._kept.popitem(last=False)
            self._kept[public_id] = _Kept(policy, self._clock())
        return policy

    async def _in_time(self, public_id: str) -> Policy | None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return await self._look(public_id)
        except Exception as error:
            log.warning("the policy of a bucket cannot be looked up", reason=repr(error))
            raise Unavailable from error

    def _stale(self, public_id: str) -> Policy:
        """What was known last, while the database is not to be waited for."""
        kept = self._kept.get(public_id)
        if kept is None or kept.policy is None or self._clock() - kept.since > _STALE_SECONDS:
            raise Unavailable
        return kept.policy
