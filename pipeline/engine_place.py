"""Resize, turn, crop and embed, frame by frame where there are several."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import pyvips

from models.colour import Colour
from models.recipe import Orientation, Position, Resize
from pipeline import geometry
from pipeline.engine_colour import with_background
from pipeline.engine_load import check_size
from pipeline.geometry import Size

_STRATEGIES: Final[tuple[Position, ...]] = ("entropy", "attention")


@dataclass(frozen=True)
class Strip:
    """Frames of one size, one below the other; a still is a strip of one."""

    image: pyvips.Image
    frames: int

    @property
    def size(self) -> Size:
        """The size of one frame."""
        return Size(self.image.width, self.image.height // self.frames)


def held(image: pyvips.Image) -> pyvips.Image:
    """The image in memory, for steps that read it in another order than it is decoded."""
    check_size(image)
    return image.copy_memory()


def scale(strip: Strip, shrink: geometry.Shrink, kernel: str) -> Strip:
    """Every frame by the same factors."""
    if shrink == geometry.UNTOUCHED:
        return strip
    image = strip.image.resize(1.0 / shrink.across, vscale=1.0 / shrink.down, kernel=kernel)
    return replace(strip, image=image)


def upright(strip: Strip, orientation: Orientation) -> Strip:
    """As the orientation asks."""
    degrees, mirrored = geometry.TURNS[orientation]
    if degrees:
        whole = replace(strip, image=held(strip.image))
        strip = each_frame(whole, lambda frame: frame.rot(f"d{degrees}"))
    if mirrored:
        strip = replace(strip, image=strip.image.fliphor())
    return strip


def crop(strip: Strip, wanted: Size, position: Position, *, premultiplied: bool) -> Strip:
    """Down to the wanted size or what there is of it."""
    if strip.size == wanted:
        return strip
    box = geometry.crop_box(strip.size, wanted, position)
    if position in _STRATEGIES and box[2:] != strip.size:
        image = held(strip.image)
        strip = replace(strip, image=image)
        box = _interesting(strip, box, position, premultiplied=premultiplied)
    if strip.frames > 1 and box.height == strip.size.height:
        return replace(strip, image=strip.image.crop(box.left, 0, box.width, strip.image.height))
    return each_frame(strip, lambda frame: frame.crop(*box))


def embed(strip: Strip, box: geometry.Box, colour: Colour, *, premultiplied: bool) -> Strip:
    """Onto a larger canvas of one colour."""
    image, background = with_background(strip.image, colour, premultiplied=premultiplied)
    return each_frame(
        replace(strip, image=image),
        lambda frame: frame.embed(*box, extend="background", background=background),
    )


def fit(strip: Strip, resize: Resize, *, premultiplied: bool) -> Strip:
    """Crop or embed to the asked size; a side not asked for keeps what it has."""
    wanted = Size(resize.width or strip.size.width, resize.height or strip.size.height)
    if strip.size == wanted:
        return strip
    match resize.fit:
        case "cover":
            return crop(strip, wanted, resize.position, premultiplied=premultiplied)
        case "contain":
            box = geometry.embed_box(strip.size, wanted, resize.position)
            return embed(strip, box, resize.background, premultiplied=premultiplied)
    return strip


def pad(strip: Strip, resize: Resize, *, premultiplied: bool) -> Strip:
    """The padding, outside of everything so far."""
    px, py = resize.padding.px, resize.padding.py
    if not (px or py):
        return strip
    box = geometry.Box(px, py, strip.size.width + 2 * px, strip.size.height + 2 * py)
    return embed(strip, box, resize.background, premultiplied=premultiplied)


def _interesting(
    strip: Strip, box: geometry.Box, position: Position, *, premultiplied: bool
) -> geometry.Box:
    """Where libvips would crop; the first frame decides for all."""
    first = strip.image.crop(0, 0, *strip.size) if strip.frames > 1 else strip.image
    found = first.smartcrop(
        box.width, box.height, interesting=position, premultiplied=premultiplied
    )
    return box._replace(left=-found.xoffset, top=-found.yoffset)


def each_frame(strip: Strip, change: Callable[[pyvips.Image], pyvips.Image]) -> Strip:
    """The strip with every frame changed by itself, so that none shows in its neighbour."""
    if strip.frames == 1:
        return replace(strip, image=change(strip.image))
    image = held(strip.image)
    width, height = strip.size
    frames = [change(image.crop(0, i * height, width, height)) for i in range(strip.frames)]
    return replace(strip, image=pyvips.Image.arrayjoin(frames, across=1))
