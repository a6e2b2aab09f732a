"""Readers of untrusted JSON values: each gives a clean value, or raises Malformed saying why."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard, TypeVar

_T = TypeVar("_T")
_SHOWN = 60  # characters of a refused value that are repeated to its sender


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


def one_of(choices: Mapping[str, _T]) -> Callable[[object], _T]:
    """One of the named words; upper and lower case matter."""

    def read(value: object) -> _T:
        if isinstance(value, str) and value in choices:
            return choices[value]
        raise Malformed(f"must be one of: {', '.join(choices)}, not {shown(value)}")

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
    return _is_number(value) and math.isfinite(value) and value == int(value)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether this came from a JSON array."""
    return isinstance(value, list | tuple)


def shown(value: object) -> str:
    """The value, short enough to repeat."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
