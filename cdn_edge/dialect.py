"""What a URL asks of the pixels: one frozen value for every spelling of it."""

from typing import Final, Literal

import msgspec

from models.colour import Colour
from models.recipe import Fit, Orientation, Padding, Position
from models.wire import Wire

Auto = Literal["auto"]
Format = Literal["jpeg", "png", "webp", "avif", "gif", "ico"]

AUTO: Final[Auto] = "auto"
LARGEST_SIDE: Final = 12_000
LARGEST_PAD: Final = 2_000


class Wanted(Wire, frozen=True):
    """Sizes are pixels of the result: a `dpr` that is a number is in them already.

    `dense` says that the client's own is still to come in, `auto` that the client decides.
    """

    width: int | Auto | None = None
    height: int | None = None
    dense: bool = False
    fit: Fit = "cover"
    position: Position = "centre"
    ratio: float | None = None
    enlarge: bool = False
    orientation: Orientation = 1
    padding: Padding = Padding()
    background: Colour | None = None
    blur: float = 0.0
    sharpen: float = 0.0
    quality: int | Auto | None = None
    format: Format | Auto | None = None


NOTHING: Final = Wanted()


def scaled(wanted: Wanted, dpr: float) -> Wanted:
    """The same for a screen with so many pixels to one; no side gets larger than any may be.

    A width that the client decides counts the pixels of its screen already.
    """
    width = wanted.width if wanted.width == AUTO else _times(wanted.width, dpr, LARGEST_SIDE)
    padding = Padding(
        px=_times(wanted.padding.px, dpr, LARGEST_PAD) or 0,
        py=_times(wanted.padding.py, dpr, LARGEST_PAD) or 0,
    )
    height = _times(wanted.height, dpr, LARGEST_SIDE)
    return msgspec.structs.replace(wanted, width=width, height=height, padding=padding, dense=False)


def _times(side: int | None, dpr: float, most: int) -> int | None:
    return min(most, max(1, int(side * dpr + 0.5))) if side else side
