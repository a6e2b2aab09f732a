"""Developing: from a decoded original to the picture that is printed, in sharp's order."""

import pyvips

from pipeline import geometry
from pipeline.engine_colour import flatten, to_srgb, to_working_space
from pipeline.engine_expose import Exposure, shrink_of
from pipeline.engine_filter import blur, sharpen
from pipeline.engine_load import Load, Original, check_size, load, number
from pipeline.engine_place import Strip, crop, fit, held, pad, scale, upright
from pipeline.prints import Canvas, Picture


def decode(original: Original, how: Load, *, shared: bool) -> pyvips.Image:
    """The original in its working space: in memory if several will read it, else a stream."""
    image = to_working_space(load(original, how))
    return held(image) if shared else image


def place(exposure: Exposure, image: pyvips.Image) -> Picture:
    """Everything between decoder and encoder."""
    if exposure.background:
        image = flatten(image, exposure.background)
    strip = Strip(image, exposure.frames)
    shrink = shrink_of(exposure, strip.size)
    shrink = geometry.frame_shrink(strip.size.height, strip.frames, shrink)
    mixes = shrink != geometry.UNTOUCHED or exposure.blur or exposure.sharpen
    if image.hasalpha() and mixes:
        # Back to integers at once: staying in float gives other pixels than sharp's.
        clear = Strip(image.premultiply().cast(image.format), strip.frames)
        placed = _composed(exposure, clear, shrink, premultiplied=True)
        return _fixed(exposure, placed.unpremultiply().cast(image.format))
    return _fixed(exposure, _composed(exposure, strip, shrink, premultiplied=False))


def _composed(
    exposure: Exposure, strip: Strip, shrink: geometry.Shrink, *, premultiplied: bool
) -> pyvips.Image:
    """Scaled, upright, cut to the ratio, fitted, padded and filtered."""
    resize = exposure.resize
    cut = geometry.cut_size(strip.size, exposure.ratio, turn=exposure.turn)
    strip = upright(scale(strip, shrink, resize.kernel), exposure.orientation)
    if exposure.ratio is not None:
        wanted = geometry.scaled_cut(cut, shrink, strip.size, turn=exposure.turn)
        strip = crop(strip, wanted, resize.position, premultiplied=premultiplied)
    strip = fit(strip, resize, premultiplied=premultiplied)
    strip = pad(strip, resize, premultiplied=premultiplied)
    return sharpen(blur(strip, exposure.blur), exposure.sharpen).image


def _fixed(exposure: Exposure, placed: pyvips.Image) -> Picture:
    """Run the pipeline: from here on the pixels are in memory."""
    image = to_srgb(placed)
    check_size(image)
    canvas = Canvas(
        width=image.width,
        height=image.height,
        bands=image.bands,
        frames=exposure.frames,
        delay=_integers(image, "delay"),
        loop=number(image, "loop", 0) if image.get_typeof("loop") else None,
        palette=_integers(image, "gif-palette"),
        density=(image.xres, image.yres),
    )
    return Picture(canvas, memoryview(image.write_to_memory()))


def _integers(image: pyvips.Image, field: str) -> tuple[int, ...] | None:
    return tuple(image.get(field)) if image.get_typeof(field) else None
