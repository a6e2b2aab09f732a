"""Where the pixels go. Sizes in, sizes and offsets out; nothing here knows a codec.

Every rule is sharp's: factors are shrinks (input / output), and the rounding differs by step on
purpose, because output bytes are compared with sharp's.
"""

import math
import sys
from typing import Final, NamedTuple

from models.recipe import Orientation, Position, Resize

# Where the picture's leftover goes on each axis: 0 start, 1 middle, 2 end.
_ANCHORS: Final[dict[Position, tuple[int, int]]] = {
    "centre": (1, 1),
    "top": (1, 0),
    "right": (2, 1),
    "bottom": (1, 2),
    "left": (0, 1),
    "right top": (2, 0),
    "right bottom": (2, 2),
    "left bottom": (0, 2),
    "left top": (0, 0),
    "entropy": (1, 1),  # a strategy that cannot apply acts as centre
    "attention": (1, 1),
}
_START, _MIDDLE = 0, 1
TURNS: Final[dict[Orientation, tuple[int, bool]]] = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (90, True),
    6: (90, False),
    7: (270, True),
    8: (270, False),
}
"""EXIF's orientations: degrees clockwise, and then whether left and right are exchanged."""
_ORIENTATIONS: Final = {turn: orientation for orientation, turn in TURNS.items()}


class Size(NamedTuple):
    """A size in pixels, at least 1 x 1."""

    width: int
    height: int


class Box(NamedTuple):
    """A rectangle: its corner (negative when it begins outside), then its size."""

    left: int
    top: int
    width: int
    height: int


class Shrink(NamedTuple):
    """How many input pixels become one output pixel, across and down. 1.0 is untouched."""

    across: float
    down: float

    @property
    def common(self) -> float:
        """The part both axes share, which a decoder may take over."""
        return min(self)


_UNBOUNDED: Final = Size(sys.maxsize, sys.maxsize)
UNTOUCHED: Final = Shrink(1.0, 1.0)


def oriented(first: Orientation, then: Orientation) -> Orientation:
    """One orientation and then another, as one."""
    before, flipped = TURNS[first]
    degrees, mirrored = TURNS[then]
    turn = before - degrees if flipped else before + degrees
    return _ORIENTATIONS[turn % 360, flipped != mirrored]


def is_turned(orientation: Orientation) -> bool:
    """Whether this orientation exchanges width and height."""
    return TURNS[orientation][0] in (90, 270)


def turned(resize: Resize, *, turn: bool) -> tuple[int | None, int | None]:
    """The wanted width and height; swapped for a picture that will be turned by 90 degrees."""
    return (resize.height, resize.width) if turn else (resize.width, resize.height)


def cut_size(size: Size, ratio: float | None, *, turn: bool = False) -> tuple[float, float]:
    """The largest width and height of this ratio inside the picture, not rounded yet.

    Rounding waits until the picture is scaled: 720 wide at 16:9 is 405 high whatever the original.
    """
    if ratio is None:
        return float(size.width), float(size.height)
    ratio = 1 / ratio if turn else ratio
    if size.width > size.height * ratio:
        return max(1.0, size.height * ratio), float(size.height)
    return float(size.width), max(1.0, size.width / ratio)


def resolve_shrink(
    width: float, height: float, wanted: tuple[int | None, int | None], resize: Resize
) -> Shrink:
    """The factors that bring width x height to the wanted size under the given fit."""
    across, down = _wanted_shrink(width, height, wanted, resize)
    if resize.without_reduction:  # wins alone when both flags are given
        across, down = min(1.0, across), min(1.0, down)
    elif resize.without_enlargement:
        across, down = max(1.0, across), max(1.0, down)
    return Shrink(min(across, width), min(down, height))  # no side becomes 0


def _wanted_shrink(
    width: float, height: float, wanted: tuple[int | None, int | None], resize: Resize
) -> Shrink:
    across = width / wanted[0] if wanted[0] else None
    down = height / wanted[1] if wanted[1] else None
    if resize.fit == "fill":
        return Shrink(across or 1.0, down or 1.0)
    if across is None or down is None:
        both = across or down or 1.0
        return Shrink(both, both)
    choose = min if resize.fit in ("cover", "outside") else max
    both = choose(across, down)
    return Shrink(both, both)


def jpeg_shrink(common: float, *, fast: bool) -> int:
    """How much the JPEG decoder may shrink: 1, 2, 4 or 8."""
    margin = 1 if fast else 2
    factor = next((factor for factor in (8, 4, 2) if common >= factor * margin), 1)
    if factor > 1 and int(common) == factor:
        return factor // 2  # libjpeg floors at exact fractions: leave a step to resize
    return factor


def frame_shrink(page_height: int, frames: int, shrink: Shrink) -> Shrink:
    """The same factors for a strip of frames, bent so that every frame stays whole."""
    if frames == 1:
        return shrink
    target = max(1, round(page_height / shrink.down))
    return Shrink(shrink.across, page_height * frames / (target * frames))


def scaled_cut(
    cut: tuple[float, float], shrink: Shrink, inside: Size, *, turn: bool = False
) -> Size:
    """The size of a cut once the picture is scaled (and turned), never outside the picture."""
    width, height = _half_up(cut[0] / shrink.across), _half_up(cut[1] / shrink.down)
    if turn:
        width, height = height, width
    return Size(min(inside.width, max(1, width)), min(inside.height, max(1, height)))


def crop_box(inside: Size, wanted: Size, position: Position) -> Box:
    """Where to crop. The target is clipped to the picture first; odd leftovers shift right."""
    width, height = min(inside.width, wanted.width), min(inside.height, wanted.height)
    across, down = _ANCHORS[position]
    return Box(
        _offset(inside.width - width, across, odd=1),
        _offset(inside.height - height, down, odd=1),
        width,
        height,
    )


def embed_box(inside: Size, wanted: Size, position: Position) -> Box:
    """Where the picture lies on its canvas, and the canvas size; odd leftovers shift left.

    A picture larger than the wanted size (contain with withoutReduction) keeps its place at 0.
    Sharp pushes it out of its own canvas there, which shows part of the picture and much
    background; nobody can want that, and a form cannot refuse it without knowing the picture.
    """
    width, height = max(inside.width, wanted.width), max(inside.height, wanted.height)
    across, down = _ANCHORS[position]
    return Box(
        _offset(width - inside.width, across, odd=0),
        _offset(height - inside.height, down, odd=0),
        width,
        height,
    )


class Fitted(NamedTuple):
    """A picture before and after it is fitted to the size asked for: cropped or on a canvas."""

    inside: Size
    placed: Size


def fitted(size: Size, resize: Resize, ratio: float | None) -> Fitted:
    """What a settled recipe makes of an upright picture, without its padding."""
    cut = cut_size(size, ratio)
    shrink = resolve_shrink(*cut, (resize.width, resize.height), resize)
    whole = scaled_cut((size.width, size.height), shrink, _UNBOUNDED)
    inside = scaled_cut(cut, shrink, whole)
    wanted = Size(resize.width or inside.width, resize.height or inside.height)
    placed = inside
    match resize.fit:
        case "cover":
            placed = Size(*crop_box(inside, wanted, resize.position)[2:])
        case "contain":
            placed = Size(*embed_box(inside, wanted, resize.position)[2:])
    return Fitted(inside, placed)


def outcome(size: Size, resize: Resize, ratio: float | None) -> Size:
    """The size a settled recipe makes of an upright picture; decoders may round 1 pixel off it."""
    placed = fitted(size, resize, ratio).placed
    px, py = resize.padding.px, resize.padding.py
    return Size(placed.width + 2 * px, placed.height + 2 * py)


def _offset(leftover: int, anchor: int, *, odd: int) -> int:
    if anchor == _START:
        return 0
    return (leftover + odd) // 2 if anchor == _MIDDLE else leftover


def _half_up(value: float) -> int:
    return math.floor(value + 0.5)
