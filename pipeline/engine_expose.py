"""Exposures: what has to happen to the pixels, planned from a header before anything is decoded."""

from typing import Final

import msgspec

from models.colour import Colour
from models.errors import ImageTooLarge
from models.outputs import Gif, Webp
from models.recipe import Orientation, Recipe, Resize
from pipeline import geometry
from pipeline.engine_load import MOST_PIXELS, Load, Original
from pipeline.geometry import Shrink, Size

_LONGEST: Final = 1_000_000  # pixels a side on the way; libvips' interpolators give up beyond


class Exposure(msgspec.Struct, frozen=True):
    """Recipes with equal exposures share one picture. Sizes are as asked for, upright."""

    load: Load
    frames: int
    orientation: Orientation  # the pixels are turned after they are scaled
    resize: Resize
    ratio: float | None
    blur: float
    sharpen: float
    background: Colour | None  # to flatten on before scaling, as sharp does

    @property
    def turn(self) -> bool:
        """Whether width and height change places on the way."""
        return geometry.is_turned(self.orientation)


def expose(original: Original, settled: Recipe) -> Exposure:
    """The exposure of a settled recipe, or ImageTooLarge."""
    animated = original.frames > 1 and isinstance(settled.output, Webp | Gif)
    # An opaque original has nothing to flatten: its formats all share one picture.
    clear = animated or bool(original.header.hasalpha())
    exposure = Exposure(
        load=Load(animated=animated),
        frames=original.frames if animated else 1,
        orientation=geometry.oriented(original.orientation, settled.orientation),
        resize=settled.resize,
        ratio=settled.ratio,
        blur=settled.blur,
        sharpen=settled.sharpen,
        background=settled.output.background if clear else None,
    )
    size = Size(original.header.width, original.header.height)
    _refuse_giants(exposure, size)
    return msgspec.structs.replace(exposure, load=_load(original, exposure, size))


def shrink_of(exposure: Exposure, size: Size) -> Shrink:
    """The factors from a decoded frame of this size, which is not upright yet."""
    cut = geometry.cut_size(size, exposure.ratio, turn=exposure.turn)
    wanted = geometry.turned(exposure.resize, turn=exposure.turn)
    return geometry.resolve_shrink(*cut, wanted, exposure.resize)


def _load(original: Original, exposure: Exposure, size: Size) -> Load:
    """How far the decoder itself can shrink."""
    resize, animated = exposure.resize, exposure.load.animated
    if not (resize.width or resize.height):
        return exposure.load
    common = shrink_of(exposure, size).common
    match original.format:
        case "jpeg":
            return Load(shrink=geometry.jpeg_shrink(common, fast=resize.fast_shrink_on_load))
        case "webp" if resize.fast_shrink_on_load and common > 1:
            return Load(scale=1.0 / common, animated=animated)
        case "svg":
            return Load(scale=1.0 / common)
    return exposure.load


def _refuse_giants(exposure: Exposure, size: Size) -> None:
    """What libvips would begin without a thought: results, and pictures about to be cropped."""
    upright = Size(size.height, size.width) if exposure.turn else size
    made = geometry.outcome(upright, exposure.resize, exposure.ratio)
    shrink = shrink_of(exposure, size)
    longest = max(size.width / shrink.across, size.height / shrink.down)
    if made.width * made.height * exposure.frames > MOST_PIXELS or longest > _LONGEST:
        raise ImageTooLarge("The image would become too large.")
