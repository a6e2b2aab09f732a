"""Copies in memory, bounded by bytes; a scan over many cold keys cannot push out the hot ones.

S3-FIFO (Yang et al., SOSP 2023): newcomers wait in a small queue and only what is asked for again
moves to the main one, so a hit costs a dict lookup and a counter, with no list to reorder.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

_SMALL_SHARE = 10
"""The small queue takes a tenth, as in the paper."""
_MOST_HITS = 3
_MOST_SPARED = 64
"""Hot copies passed over in one eviction: bounds the time a put can take on the event loop."""
_FEWEST_GHOSTS = 128


class _Slot(Generic[T]):
    __slots__ = ("hits", "small", "value", "weight")

    def __init__(self, value: T, weight: int, *, small: bool) -> None:
        self.value, self.weight, self.small, self.hits = value, weight, small, 0


class Memory(Generic[T]):
    """A cache of at most `limit` bytes, as told by the weights it is given."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.weight = 0
        self._small_weight = 0
        self._slots: dict[str, _Slot[T]] = {}
        self._derived: dict[str, set[str]] = {}
        self._small: OrderedDict[str, None] = OrderedDict()
        self._main: OrderedDict[str, None] = OrderedDict()
        self._ghosts: OrderedDict[int, None] = OrderedDict()
        self.evicted = 0
        """Copies that made room so far."""

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, key: str) -> T | None:
        """What was last put under this key, if it is still here."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        if slot.hits < _MOST_HITS:
            slot.hits += 1
        return slot.value

    def put(self, key: str, value: T, weight: int) -> None:
        """Keep this, and let go of whatever must make room; too heavy a value is not kept."""
        old = self._take(key) if key in self._slots else None
        if weight > self.limit:
            return
        while self.weight + weight > self.limit:
            self._evict()
        known = self._ghosts.pop(hash(key), self) is None
        slot = _Slot(value, weight, small=not known)
        if old is not None:
            slot.small, slot.hits = old.small, old.hits
        self._add(key, slot)

    def drop(self, key: str) -> None:
        """Forget this key, and every `key?...` that was derived from it."""
        for one in (key, *self._derived.get(key, ())):
            if one in self._slots:
                self._take(one)

    def drop_prefix(self, prefix: str) -> None:
        """Forget every key that starts so."""
        for key in [key for key in self._slots if key.startswith(prefix)]:
            self._take(key)

    def _add(self, key: str, slot: _Slot[T]) -> None:
        self._slots[key] = slot
        origin, derived, _ = key.partition("?")
        if derived:
            self._derived.setdefault(origin, set()).add(key)
        (self._small if slot.small else self._main)[key] = None
        self.weight += slot.weight
        self._small_weight += slot.weight if slot.small else 0

    def _take(self, key: str) -> _Slot[T]:
        slot = self._slots.pop(key)
        origin, derived, _ = key.partition("?")
        if derived:
            self._derived[origin].discard(key)
            if not self._derived[origin]:
                del self._derived[origin]
        del (self._small if slot.small else self._main)[key]
        self.weight -= slot.weight
        self._small_weight -= slot.weight if slot.small else 0
        return slot

    def _evict(self) -> None:
        """Let one copy go: the oldest that is not hot, or a hot one when there are too many."""
        for _ in range(_MOST_SPARED):
            key = self._oldest()
            if not self._slots[key].hits:
                break
            self._spare(key)
        key = self._oldest()
        self.evicted += 1
        if self._take(key).small:
            self._remember(key)

    def _oldest(self) -> str:
        """Of the small queue while that is over its share, else of the main one."""
        over = self._small_weight * _SMALL_SHARE > self.limit
        return next(iter(self._small if self._small and (over or not self._main) else self._main))

    def _spare(self, key: str) -> None:
        slot = self._slots[key]
        if slot.small:
            self._take(key)
            slot.small, slot.hits = False, 0
            self._add(key, slot)
        else:
            slot.hits -= 1
            self._main.move_to_end(key)

    def _remember(self, key: str) -> None:
        """A ghost: the key was here once. Asked for again, it goes straight to the main queue."""
        self._ghosts[hash(key)] = None
        while len(self._ghosts) > max(len(self._slots), _FEWEST_GHOSTS):
            self._ghosts.popitem(last=False)
