"""From pixels to a file: the savers' parameters, all of them, always."""

import struct
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pyvips

from models.defaults import settle
from models.errors import ImageTooLarge
from models.outputs import Avif, Chroma, Gif, Ico, Jpeg, Mezzanine, Output, Png, Webp
from pipeline import geometry
from pipeline.engine_chroma import needs_full_chroma
from pipeline.engine_colour import flatten
from pipeline.engine_webp import can_write, write_webp
from pipeline.geometry import Size
from pipeline.prints import Canvas, Picture

# Our option -> the saver's parameter. libvips' own defaults differ, so none is left out.
_JPEG: Final = {
    "quality": "Q",
    "progressive": "interlace",
    "chroma_subsampling": "subsample_mode",
    "optimise_coding": "optimize_coding",
    "trellis_quantisation": "trellis_quant",
    "overshoot_deringing": "overshoot_deringing",
    "optimise_scans": "optimize_scans",
    "quantisation_table": "quant_table",
}
_PNG: Final = {
    "progressive": "interlace",
    "compression_level": "compression",
    "adaptive_filtering": "filter",
    "palette": "palette",
    "quality": "Q",
    "effort": "effort",
    "colours": "bitdepth",
    "dither": "dither",
}
_WEBP: Final = {
    "quality": "Q",
    "alpha_quality": "alpha_q",
    "lossless": "lossless",
    "near_lossless": "near_lossless",
    "smart_subsample": "smart_subsample",
    "smart_deblock": "smart_deblock",
    "preset": "preset",
    "effort": "effort",
    "min_size": "min_size",
    "mixed": "mixed",
    "exact": "exact",
}
_AVIF: Final = {
    "quality": "Q",
    "lossless": "lossless",
    "effort": "effort",
    "chroma_subsampling": "subsample_mode",
    "bitdepth": "bitdepth",
    "tune": "tune",
}
_GIF: Final = {
    "reuse": "reuse",
    "progressive": "interlace",
    "colours": "bitdepth",
    "effort": "effort",
    "dither": "dither",
    "inter_frame_max_error": "interframe_maxerror",
    "inter_palette_max_error": "interpalette_maxerror",
    "keep_duplicate_frames": "keep_duplicate_frames",
}
_SPELLINGS: Final[Mapping[str, Mapping[Any, Any]]] = {
    "chroma_subsampling": {"4:2:0": "on", "4:4:4": "off"},
    "adaptive_filtering": {True: "all", False: "none"},
    "colours": {2: 1, 4: 2, 16: 4, 256: 8},
}
_MOST_SIDES: Final = {"jpeg": 65_535, "webp": 16_383, "avif": 16_384, "gif": 65_535}
_ICO_SIZES: Final = (16, 32, 48)
_ICO_MOST: Final = 256


def write(picture: Picture, output: Output, frame: Size) -> bytes:
    """The file's bytes, by the encoder that is quickest for them. `frame` is the size of one."""
    settled = settle(output)
    if not can_write(settled, picture):
        return save(mount(picture, output), output, frame)
    _check_sides(format_of(settled), frame)
    return write_webp(picture, settled)


def save(image: pyvips.Image, output: Output, frame: Size) -> bytes:
    """By libvips. `image` is 8-bit sRGB, a strip of frames of the given size."""
    settled = settle(output)
    _check_sides(format_of(output), frame)
    image = _flattened(image, settled)
    match settled:
        case Jpeg():
            return bytes(image.jpegsave_buffer(keep="none", **_parameters(settled, _JPEG)))
        case Png():
            return bytes(image.pngsave_buffer(keep="none", **_parameters(settled, _PNG)))
        case Webp():
            return bytes(image.webpsave_buffer(keep="none", **_parameters(settled, _WEBP)))
        case Avif():
            parameters = _parameters(_with_chroma(settled, image), _AVIF)
            return bytes(image.heifsave_buffer(keep="none", compression="av1", **parameters))
        case Gif():
            return bytes(image.gifsave_buffer(keep="none", **_parameters(settled, _GIF)))
        case Ico():
            return _icon(image, settled)
        case Mezzanine():
            raise TypeError("near_lossless() has decided already")


def format_of(output: Output) -> str:
    """The output's name: `jpeg`, `png`..."""
    return str(type(output).__struct_config__.tag)


def icon_sides(output: Ico, picture: Size) -> tuple[int, ...]:
    """The sides of an icon's pictures: as named, or the usual ones up to the picture's own."""
    if output.sizes:
        return output.sizes
    longest = min(_ICO_MOST, max(picture))
    return (*(side for side in _ICO_SIZES if side < longest), min(longest, _ICO_MOST))


def _parameters(output: Output, names: Mapping[str, str]) -> dict[str, Any]:
    options = msgspec.structs.asdict(output)
    return {
        parameter: _SPELLINGS.get(option, {}).get(options[option], options[option])
        for option, parameter in names.items()
    }


def _with_chroma(settled: Avif, image: pyvips.Image) -> Avif:
    """Nobody named it: the picture decides."""
    if settled.chroma_subsampling is not None:
        return settled
    chroma: Chroma = "4:4:4" if needs_full_chroma(image) else "4:2:0"
    return msgspec.structs.replace(settled, chroma_subsampling=chroma)


def _check_sides(format_name: str, frame: Size) -> None:
    most = _MOST_SIDES.get(format_name)
    if most and max(frame) > most:
        raise ImageTooLarge(f"A {format_name} can have at most {most} pixels a side.")


def _flattened(image: pyvips.Image, output: Output) -> pyvips.Image:
    """JPEG always has a background once settled; the others only when one was named."""
    return flatten(image, output.background) if output.background else image


def _icon(image: pyvips.Image, output: Ico) -> bytes:
    """An ICO holding PNGs: a header, one directory entry per side, then the files."""
    square = _squared(image)
    sides = icon_sides(output, Size(square.width, square.height))
    files = [save(_scaled(square, side), Png(), Size(side, side)) for side in sides]
    offset = 6 + 16 * len(files)
    directory = struct.pack("<HHH", 0, 1, len(files))
    for side, file in zip(sides, files, strict=True):
        edge = side % _ICO_MOST  # 256 is written as 0
        directory += struct.pack("<BBBBHHII", edge, edge, 0, 0, 1, 32, len(file), offset)
        offset += len(file)
    return b"".join((directory, *files))


def _squared(image: pyvips.Image) -> pyvips.Image:
    if not image.hasalpha():
        image = image.bandjoin_const([255])
    side = max(image.width, image.height)
    box = geometry.embed_box(Size(image.width, image.height), Size(side, side), "centre")
    return image.embed(*box, extend="background", background=[0, 0, 0, 0])


def _scaled(square: pyvips.Image, side: int) -> pyvips.Image:
    if square.width == side:
        return square
    small = square.premultiply().cast("uchar").resize(side / square.width)
    return small.unpremultiply().cast("uchar")


def mount(picture: Picture, output: Output) -> pyvips.Image:
    """The picture as libvips sees it, with what the encoders read beside the pixels."""
    canvas = picture.canvas
    image = pyvips.Image.new_from_memory(
        picture.pixels, canvas.width, canvas.height, canvas.bands, "uchar"
    ).copy(interpretation="srgb", xres=canvas.density[0], yres=canvas.density[1])
    if not isinstance(output, Webp | Gif):
        return image
    _animate(image, canvas, output)
    return image


def _animate(image: pyvips.Image, canvas: Canvas, output: Webp | Gif) -> None:
    """Frames, delays and repetitions. A still that says nothing plays once, as in sharp."""
    delay = output.delay or canvas.delay
    loop = canvas.loop if output.loop is None else output.loop
    if canvas.frames > 1:
        image.set_type(pyvips.GValue.gint_type, "page-height", canvas.frame_height)
        image.set_type(pyvips.GValue.gint_type, "n-pages", canvas.frames)
    if output.delay and len(output.delay) == 1:
        delay = output.delay * canvas.frames
    if canvas.frames == 1 and not output.delay and output.loop is None:
        loop = 1
    if delay:
        image.set_type(pyvips.GValue.array_int_type, "delay", list(delay))
    if loop is not None:
        image.set_type(pyvips.GValue.gint_type, "loop", loop)
    if canvas.palette:
        image.set_type(pyvips.GValue.array_int_type, "gif-palette", list(canvas.palette))
