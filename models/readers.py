"""Readers of untrusted JSON values: each gives a clean value, or raises Malformed saying why."""

from collections.abc import Callable, Sequence
from typing import TypeGuard, TypeVar

_T = TypeVar("_T")
_SHOWN = 60  # characters of a refused value that are repeated to its sender
_SHOWN_BITS = 128


class Malformed(ValueError):
    """What is wrong with a value, as the end of a sentence that begins with its path."""


def whole(lowest: int, highest: int) -> Callable[[object], int]:
    """Integers in a range. 80.0 is one; 80.5, "80" and true are not."""

    def read(value: object) -> int:
        if is_whole(value) and lowest <= value <= highest:
            return int(value)
        raise Malformed(f"must be an integer between {lowest} and {highest}, not {shown(value)}")

    return read


def number(lowest: float, highest: float) -> Callable[[object], float]:
    """Numbers in a range; not NaN."""

    def read(value: object) -> float:
        if _is_number(value) and lowest <= value <= highest:
            return float(value) + 0.0  # -0.0 and 0.0 are one request
        raise Malformed(f"must be a number between {lowest} and {highest}, not {shown(value)}")

    return read


def truth(value: object) -> bool:
    """True or false, nothing that merely resembles them."""
    if isinstance(value, bool):
        return value
    raise Malformed(f"must be true or false, not {shown(value)}")


def one_of(*words: str) -> Callable[[object], str]:
    """One of the words; upper and lower case matter."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise Malformed(f"must be one of: {', '.join(words)}, not {shown(value)}")

    return read


def several(read_one: Callable[[object], _T], most: int) -> Callable[[object], tuple[_T, ...]]:
    """One value, or an array of one to `most` of them."""

    def read(value: object) -> tuple[_T, ...]:
        if not is_array(value):
            return (read_one(value),)
        if not 1 <= len(value) <= most:
            raise Malformed(f"must have 1 to {most} entries, not {len(value)}")
        return tuple(read_one(entry) for entry in value)

    return read


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
