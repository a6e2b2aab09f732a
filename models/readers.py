"""Readers of untrusted JSON values: each gives a clean value, or raises Malformed saying why.

A reader with bounds is a value that tells them: the API's reference is written from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeGuard, TypeVar

_T = TypeVar("_T")
_SHOWN = 60  # characters of a refused value that are repeated to its sender
_SHOWN_BITS = 128


class Malformed(ValueError):
    """What is wrong with a value, as the end of a sentence that begins with its path."""


@dataclass(frozen=True)
class Whole:
    """Integers in a range. 80.0 is one; 80.5, "80" and true are not."""

    lowest: int
    highest: int

    def __call__(self, value: object) -> int:
        """The integer that is meant."""
        if is_whole(value) and self.lowest <= value <= self.highest:
            return int(value)
        ends = f"between {self.lowest} and {self.highest}"
        raise Malformed(f"must be an integer {ends}, not {shown(value)}")


@dataclass(frozen=True)
class Number:
    """Numbers in a range; not NaN."""

    lowest: float
    highest: float

    def __call__(self, value: object) -> float:
        """The number that is meant."""
        if _is_number(value) and self.lowest <= value <= self.highest:
            return float(value) + 0.0  # -0.0 and 0.0 are one request
        ends = f"between {self.lowest} and {self.highest}"
        raise Malformed(f"must be a number {ends}, not {shown(value)}")


def truth(value: object) -> bool:
    """True or false, nothing that merely resembles them."""
    if isinstance(value, bool):
        return value
    raise Malformed(f"must be true or false, not {shown(value)}")


@dataclass(frozen=True)
class OneOf:
    """One of the words; upper and lower case matter."""

    words: tuple[str, ...]

    def __call__(self, value: object) -> str:
        """The word, if it is one of them."""
        if isinstance(value, str) and value in self.words:
            return value
        raise Malformed(f"must be one of: {', '.join(self.words)}, not {shown(value)}")


@dataclass(frozen=True)
class OneNumberOf:
    """One of the integers."""

    numbers: tuple[int, ...]

    def __call__(self, value: object) -> int:
        """The integer that is meant."""
        if is_whole(value) and int(value) in self.numbers:
            return int(value)
        *first, last = map(str, self.numbers)
        raise Malformed(f"must be {', '.join(first)} or {last}, not {shown(value)}")


@dataclass(frozen=True)
class Several(Generic[_T]):
    """One value, or an array of one to `most` of them."""

    read_one: Callable[[object], _T]
    most: int

    def __call__(self, value: object) -> tuple[_T, ...]:
        """All of them, in their order."""
        if not is_array(value):
            return (self.read_one(value),)
        if not 1 <= len(value) <= self.most:
            raise Malformed(f"must have 1 to {self.most} entries, not {len(value)}")
        return tuple(self.read_one(entry) for entry in value)


def is_whole(value: object) -> TypeGuard[int | float]:
    """Whether this is an integer to JavaScript."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether this came from a JSON array."""
    return isinstance(value, list | tuple)


def shown(value: object) -> str:
    """The value as its sender wrote it, short enough to repeat."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > _SHOWN_BITS:
            return "a huge number"
        case int() | float():
            return str(value)
        case str():
            return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    return "an array" if is_array(value) else "an object"


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
