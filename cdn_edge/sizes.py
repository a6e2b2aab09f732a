"""Allowed sizes: what may be asked without a signature, and what is answered beside it."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from cdn_edge.dialect import LARGEST_SIDE, Wanted
from models.errors import Forbidden

MOST_SIZES: Final = 64
_SIZE: Final = re.compile(r"([1-9][0-9]{0,4})?(?:x([1-9][0-9]{0,4}))?")


class Box(NamedTuple):
    """One allowed size: a width, a height, or both."""

    width: int | None
    height: int | None

    @property
    def text(self) -> str:
        """As it is written: `320`, `x200`, `320x200`."""
        return f"{self.width or ''}" + (f"x{self.height}" if self.height else "")


def read_box(text: str) -> Box | None:
    """The size that is written so; None when it is none."""
    match = _SIZE.fullmatch(text)
    if match is None or not match[0]:
        return None
    box = Box(*(int(side) if side else None for side in match.groups()))
    return box if max(box.width or 1, box.height or 1) <= LARGEST_SIDE else None


def snapped(wanted: Wanted, boxes: Sequence[Box]) -> Wanted:
    """The same in the next larger allowed size, or in the largest. Forbidden when none is like it.

    A width is matched with widths, a height with heights, both with both; neither stays so.
    """
    asked = Box(wanted.width if wanted.width != "auto" else None, wanted.height)
    if not (asked.width or asked.height):
        return wanted
    alike = [box for box in boxes if _kind(box) == _kind(asked)]
    if not alike:
        allowed = ", ".join(box.text for box in boxes) or "none"
        raise Forbidden(f"Without a signature, sizes are: {allowed}.")
    enough = [box for box in alike if _holds(box, asked)]
    chosen = min(enough, key=_area) if enough else max(alike, key=_area)
    return msgspec.structs.replace(wanted, width=chosen.width, height=chosen.height)


def _kind(box: Box) -> tuple[bool, bool]:
    return box.width is not None, box.height is not None


def _holds(box: Box, asked: Box) -> bool:
    return all((mine or 0) >= (theirs or 0) for mine, theirs in zip(box, asked, strict=True))


def _area(box: Box) -> int:
    return (box.width or 1) * (box.height or 1)
