"""The mezzanine: which recipe makes the working copy of an image in its own framing."""

from typing import Final

import msgspec

from models.outputs import Mezzanine
from models.recipe import Recipe, Resize, settle
from pipeline.extent import extent
from pipeline.geometry import Size
from pipeline.prints import Probe

LONGEST: Final = 2048
_PLAIN: Final = ("cover", "inside", "outside", "fill")


def mezzanine_of(probe: Probe, asked: Recipe) -> Recipe | None:
    """The image as it was asked for, but near-lossless and at most 2048 pixels long.

    It mostly has the very pixels that the variants are encoded from, and costs one more encoding.
    None for an animation, whose derivatives start from its variants, and for a picture on a canvas
    of its own over that size: scaled at once, it would not lie where it does.
    """
    recipe = settle(msgspec.structs.replace(asked, output=Mezzanine()))
    size = extent(probe, recipe).final
    if probe.frames > 1:
        return None
    if max(size) <= LONGEST:
        return recipe
    return _scaled(recipe, size) if _is_plain(recipe.resize) else None


def _is_plain(resize: Resize) -> bool:
    """Whether a smaller picture of the same shape shows the same."""
    within = resize.position not in ("entropy", "attention")
    return resize.fit in _PLAIN and resize.padding == Resize().padding and within


def _scaled(recipe: Recipe, size: Size) -> Recipe:
    factor = LONGEST / max(size)
    fill = recipe.resize.fit == "fill"
    resize = Resize(
        width=max(1, round(size.width * factor)),
        height=max(1, round(size.height * factor)),
        fit="fill" if fill else "cover",
        position=recipe.resize.position,
        kernel=recipe.resize.kernel,
    )
    return msgspec.structs.replace(recipe, resize=resize)
