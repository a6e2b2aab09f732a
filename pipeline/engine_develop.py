"""Developing: what a recipe does to pixels, in sharp's order of operations."""

from typing import Final

import msgspec
import pyvips

from models.colour import Colour
from models.errors import ImageTooLarge
from models.outputs import Gif, Webp
from models.recipe import Recipe, Resize
from pipeline import geometry
from pipeline.engine_colour import flatten, to_srgb, to_working_space
from pipeline.engine_load import MOST_PIXELS, Load, Original, check_size, load, number
from pipeline.engine_place import Strip, crop, fit, held, is_turned, pad, scale, upright
from pipeline.geometry import Size
from pipeline.prints import Canvas, Picture

_LONGEST: Final = 1_000_000  # pixels a side; libvips counts coordinates in 32 bits


class Exposure(msgspec.Struct, frozen=True):
    """What to do to the pixels: recipes with equal exposures share one picture."""

    load: Load
    resize: Resize
    ratio: float | None
    background: Colour | None


def expose(original: Original, settled: Recipe) -> Exposure:
    """The exposure a settled recipe needs."""
    animated = original.frames > 1 and isinstance(settled.output, Webp | Gif)
    _refuse_giants(original, settled)
    # Flattening comes before scaling, as in sharp, so it is part of the exposure; an opaque
    # original needs none and its formats share one picture.
    clear = bool(original.header.hasalpha()) or animated
    return Exposure(
        load=_load(original, settled, animated=animated),
        resize=settled.resize,
        ratio=settled.ratio,
        background=settled.output.background if clear else None,
    )


def decode(original: Original, how: Load, *, shared: bool) -> pyvips.Image:
    """The original in its working space: in memory if several will read it, else a stream."""
    image = to_working_space(load(original, how))
    return held(image) if shared else image


def place(original: Original, exposure: Exposure, image: pyvips.Image) -> Picture:
    """Everything between decoder and encoder, in sharp's order."""
    frames = original.frames if exposure.load.animated else 1
    if exposure.background:
        image = flatten(image, exposure.background)
    strip, shrink = Strip(image, frames), _shrink(original, exposure, Strip(image, frames).size)
    even = geometry.frame_shrink(strip.size.height, frames, shrink)
    premultiplied = bool(image.hasalpha()) and even != geometry.UNTOUCHED
    if premultiplied:
        # Back to integers at once: staying in float gives other pixels than sharp's.
        strip = Strip(image.premultiply().cast(image.format), frames)
    placed = _composed(original, exposure, strip, even, premultiplied=premultiplied)
    if premultiplied:
        placed = placed.unpremultiply().cast(image.format)
    return _fixed(to_srgb(placed), frames)


def _composed(
    original: Original,
    exposure: Exposure,
    strip: Strip,
    shrink: geometry.Shrink,
    *,
    premultiplied: bool,
) -> pyvips.Image:
    """Scaled, upright, cut to the ratio, fitted and padded."""
    resize, turn = exposure.resize, is_turned(original.orientation)
    cut = geometry.cut_size(strip.size, exposure.ratio, turn=turn)
    strip = upright(scale(strip, shrink, resize.kernel), original.orientation)
    if exposure.ratio is not None:
        wanted = geometry.scaled_cut(cut, shrink, strip.size, turn=turn)
        strip = crop(strip, wanted, resize.position, premultiplied=premultiplied)
    strip = fit(strip, resize, premultiplied=premultiplied)
    return pad(strip, resize, premultiplied=premultiplied).image


def _refuse_giants(original: Original, settled: Recipe) -> None:
    """Before decoding: results, and pictures on their way to being cropped, have an end."""
    size = Size(original.header.width, original.header.height)
    upright_size = Size(*reversed(size)) if is_turned(original.orientation) else size
    made = geometry.outcome(upright_size, settled.resize, settled.ratio)
    shrink = _wanted_shrink(original, size, settled.resize, settled.ratio)
    longest = max(size.width / shrink.across, size.height / shrink.down)
    if made.width * made.height > MOST_PIXELS or longest > _LONGEST:
        raise ImageTooLarge("The image would become too large.")


def _load(original: Original, settled: Recipe, *, animated: bool) -> Load:
    """How far the decoder itself can shrink."""
    resize = settled.resize
    if not (resize.width or resize.height):
        return Load(animated=animated)
    size = Size(original.header.width, original.header.height)
    common = _wanted_shrink(original, size, resize, settled.ratio).common
    match original.format:
        case "jpeg":
            return Load(shrink=geometry.jpeg_shrink(common, fast=resize.fast_shrink_on_load))
        case "webp" if resize.fast_shrink_on_load and common > 1:
            return Load(scale=1.0 / common, animated=animated)
        case "svg":
            return Load(scale=1.0 / common)
    return Load(animated=animated)


def _shrink(original: Original, exposure: Exposure, size: Size) -> geometry.Shrink:
    """What is left to shrink, from the size that the decoder really gave."""
    return _wanted_shrink(original, size, exposure.resize, exposure.ratio)


def _wanted_shrink(
    original: Original, size: Size, resize: Resize, ratio: float | None
) -> geometry.Shrink:
    turn = is_turned(original.orientation)
    cut = geometry.cut_size(size, ratio, turn=turn)
    return geometry.resolve_shrink(*cut, geometry.turned(resize, turn=turn), resize)


def _fixed(image: pyvips.Image, frames: int) -> Picture:
    """Run the pipeline: from here on the pixels are in memory."""
    check_size(image)
    pixels = image.write_to_memory()
    canvas = Canvas(
        width=image.width,
        height=image.height,
        bands=image.bands,
        frames=frames,
        delay=_integers(image, "delay"),
        loop=number(image, "loop", 0) if image.get_typeof("loop") else None,
        palette=_integers(image, "gif-palette"),
        density=(image.xres, image.yres),
    )
    return Picture(canvas, memoryview(pixels))


def _integers(image: pyvips.Image, field: str) -> tuple[int, ...] | None:
    return tuple(image.get(field)) if image.get_typeof(field) else None
