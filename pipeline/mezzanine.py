"""The mezzanine: which recipe makes the working copy of an image in its own framing."""

from typing import Final

import msgspec

from models.outputs import Mezzanine
from models.recipe import Fit, Padding, Recipe, Resize, settle
from pipeline import geometry
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


def is_whole(probe: Probe, asked: Recipe) -> bool:
    """Whether this recipe only scales the original: nothing is cut off, added, bent or turned.

    The size alone does not tell: what is padded can have the original's own shape.
    """
    recipe, upright = settle(asked), Size(probe.width, probe.height)
    resize = recipe.resize
    fit: Fit = "outside" if resize.fit == "outside" else "inside"
    scaled = msgspec.structs.replace(resize, fit=fit)
    same = geometry.outcome(upright, resize, recipe.ratio) == geometry.outcome(
        upright, scaled, None
    )
    as_is = recipe.orientation == 1 and not (recipe.blur or recipe.sharpen)
    return probe.frames == 1 and as_is and resize.padding == Padding() and same


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
