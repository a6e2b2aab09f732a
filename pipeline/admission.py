"""What is refused before it is decoded: too many pixels, frames or bytes for the limits."""

from collections.abc import Sequence

from models.errors import ImageTooLarge
from models.recipe import Recipe
from pipeline.extent import Extent, extent, keeps_frames
from pipeline.footprint import Footprint, footprint
from pipeline.limits import Limits
from pipeline.prints import Probe

_MEGA = 1_000_000
_INTERESTING = ("entropy", "attention")  # they look at every pixel of the scaled original


def admit(probe: Probe, settled: Sequence[Recipe], limits: Limits) -> Footprint:
    """What the order will take, if every limit holds; ImageTooLarge names the one that does not."""
    _check_original(probe, settled, limits)
    for recipe in settled:
        _check_picture(extent(probe, recipe), recipe, limits)
    memory = footprint(probe, settled)
    if memory.child > limits.memory:
        raise ImageTooLarge("The image would take too much memory to process.")
    return memory


def _check_original(probe: Probe, settled: Sequence[Recipe], limits: Limits) -> None:
    frames = probe.frames if any(map(keeps_frames, settled)) else 1
    if frames > limits.frames:
        raise ImageTooLarge(f"The animation has more than {limits.frames} frames.")
    if probe.format != "svg" and probe.width * probe.height * frames > limits.pixels:
        raise ImageTooLarge(f"The image has more than {limits.pixels // _MEGA} megapixels.")


def _check_picture(here: Extent, recipe: Recipe, limits: Limits) -> None:
    if max(here.final) > limits.output_side:
        raise ImageTooLarge(f"A side of the result would be over {limits.output_side} pixels.")
    worked = here.pixels
    if recipe.resize.position in _INTERESTING:
        worked = max(worked, here.scaled.width * here.scaled.height * here.frames)
    if worked > limits.pixels:
        raise ImageTooLarge(f"The result would be over {limits.pixels // _MEGA} megapixels.")
