"""A shelf: things needed several times, made once, dropped after their last use."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Made_co = TypeVar("Made_co", covariant=True)


class Make(Protocol[Made_co]):
    """Makes the thing, knowing whether it will be used again."""

    def __call__(self, *, shared: bool) -> Made_co:
        """The thing; `shared` when it will be taken again."""


class Shelf(Generic[K, V]):
    """Knows from the start how often each key will be taken."""

    def __init__(self, uses: Iterable[K]) -> None:
        self._left = Counter(uses)
        self._kept: dict[K, V] = {}

    def take(self, key: K, make: Make[V]) -> V:
        """The thing, made now if it is not there yet."""
        self._left[key] -= 1
        again = self._left[key] > 0
        thing = self._kept.pop(key) if key in self._kept else make(shared=again)
        if again:
            self._kept[key] = thing
        return thing
