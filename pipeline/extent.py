"""How large a recipe's picture will be, known from the header alone; right to a pixel or two."""

from typing import NamedTuple

from models.outputs import Gif, Webp
from models.recipe import Recipe, Resize
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
    cut = geometry.cut_size(original, settled.ratio)
    wanted = (settled.resize.width, settled.resize.height)
    shrink = geometry.resolve_shrink(*cut, wanted, settled.resize)
    scaled = _shrunk(original, shrink)
    inner = scaled if settled.ratio is None else geometry.scaled_cut(cut, shrink, scaled)
    final = _padded(_fitted(inner, settled.resize), settled.resize)
    return Extent(scaled, final, probe.frames if keeps_frames(settled) else 1)


def keeps_frames(recipe: Recipe) -> bool:
    """Whether an animation stays one."""
    return isinstance(recipe.output, Gif | Webp)


def _shrunk(size: Size, shrink: geometry.Shrink) -> Size:
    return Size(max(1, round(size.width / shrink.across)), max(1, round(size.height / shrink.down)))


def _fitted(inside: Size, resize: Resize) -> Size:
    width, height = resize.width or inside.width, resize.height or inside.height
    match resize.fit:
        case "cover":
            return Size(min(inside.width, width), min(inside.height, height))
        case "contain":
            return Size(max(inside.width, width), max(inside.height, height))
    return inside


def _padded(size: Size, resize: Resize) -> Size:
    padding = resize.padding
    return Size(size.width + 2 * padding.px, size.height + 2 * padding.py)
