"""How large a recipe's picture will be, known from the header alone; right to a pixel or two."""

from typing import NamedTuple

from models.outputs import Gif, Webp
from models.recipe import Recipe
from pipeline import geometry
from pipeline.geometry import Size
from pipeline.prints import Probe


class Extent(NamedTuple):
    """Sizes of one frame on the way, and how many frames there are."""

    scaled: Size
    """The whole original after scaling, before anything is cut off."""
    final: Size
    frames: int

    @property
    def pixels(self) -> int:
        """Of the finished picture, all frames."""
        return self.final.width * self.final.height * self.frames


def extent(probe: Probe, settled: Recipe) -> Extent:
    """What `settled` makes of an original like this."""
    original = Size(probe.width, probe.height)
    if geometry.is_turned(settled.orientation):
        original = Size(probe.height, probe.width)
    cut = geometry.cut_size(original, settled.ratio)
    wanted = (settled.resize.width, settled.resize.height)
    shrink = geometry.resolve_shrink(*cut, wanted, settled.resize)
    scaled = _shrunk(original, shrink)
    final = geometry.outcome(original, settled.resize, settled.ratio)
    return Extent(scaled, final, probe.frames if keeps_frames(settled) else 1)


def keeps_frames(recipe: Recipe) -> bool:
    """Whether an animation stays one."""
    return isinstance(recipe.output, Gif | Webp)


def _shrunk(size: Size, shrink: geometry.Shrink) -> Size:
    return Size(max(1, round(size.width / shrink.across)), max(1, round(size.height / shrink.down)))
