"""Renders that failed: tried a few times an hour, and answered from memory in between."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from models.errors import ServiceError

_MOST = 10_000
TRIES = 4
SECONDS = 3600.0


class _Failed(NamedTuple):
    tries: int
    until: float
    error: ServiceError


class Failures:
    """How often each result failed within an hour of its first failure; the oldest go first."""

    def __init__(self, clock: Callable[[], float], *, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._table: OrderedDict[str, _Failed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def check(self, name: str) -> None:
        """Raise the last failure again when there were too many."""
        known = self._known(name)
        if known is not None and known.tries >= TRIES:
            left = max(1, int(known.until - self._clock()))
            raise type(known.error)(known.error.sentence, retry_after=left)

    def note(self, name: str, error: ServiceError) -> None:
        """One more failure."""
        known = self._known(name)
        while known is None and len(self._table) >= self._most:
            self._table.popitem(last=False)
        tries, until = (known.tries, known.until) if known else (0, self._clock() + SECONDS)
        self._table[name] = _Failed(tries + 1, until, error)

    def _known(self, name: str) -> _Failed | None:
        known = self._table.get(name)
        if known is not None and known.until <= self._clock():
            del self._table[name]
            return None
        return known
