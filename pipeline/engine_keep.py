"""Photos: a file is kept as it is, upright, with its colour profile and no other metadata."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pyvips

from models.errors import DamagedImage
from pipeline.engine_colour import to_srgb, to_working_space
from pipeline.engine_errors import reading, writing
from pipeline.engine_load import Load, Original, check_size, load, number, open_original
from pipeline.engine_place import Strip, held, upright
from pipeline.photo import shown_as
from pipeline.prints import CONTENT_TYPES, EXTENSIONS, InputFormat, Print
from pipeline.strip_avif import strip_avif
from pipeline.strip_errors import Unfit
from pipeline.strip_gif import strip_gif
from pipeline.strip_jpeg import strip_jpeg
from pipeline.strip_png import is_animated, strip_png
from pipeline.strip_webp import is_lossless, strip_webp

_STRIPPERS: Final[dict[InputFormat, Callable[[bytes], bytes]]] = {
    "jpeg": strip_jpeg,
    "png": strip_png,
    "webp": strip_webp,
    "gif": strip_gif,
    "avif": strip_avif,
}
_QUALITY: Final = 95  # of what has to be written again: beyond it files grow and nobody sees why


class Taken(msgspec.Struct, frozen=True):
    """A photo that was read: its bytes as they stay, or its pixels that have to be written."""

    original: Original
    size: tuple[int, int]
    data: bytes = b""
    image: pyvips.Image | None = None


def take(source: Path) -> Taken:
    """Read a photo to its end. EmptyFile, NotAnImage, DamagedImage, ImageTooLarge."""
    original = open_original(source)
    data = source.read_bytes()
    if original.orientation == 1 or _moves(original, data):
        with contextlib.suppress(Unfit, pyvips.Error):
            return _stripped(original, data)
    return _decoded(original)


def keep(taken: Taken) -> Print:
    """The photo as a file."""
    kind = shown_as(taken.original.format)
    data = taken.data
    if taken.image is not None:
        with writing():
            data = _written(taken.original, taken.image)
    return Print(
        data=data,
        width=taken.size[0],
        height=taken.size[1],
        format=kind,
        content_type=CONTENT_TYPES[kind],
        extension=EXTENSIONS[kind],
    )


def _moves(original: Original, data: bytes) -> bool:
    """Whether it has several pictures: these are never turned, as browsers turn none of them."""
    with contextlib.suppress(Unfit):
        return original.frames > 1 or (original.format == "png" and is_animated(data))
    return False


def _stripped(original: Original, data: bytes) -> Taken:
    """The bytes that stay, which were decoded: what is served is what was seen to be whole."""
    strip = _STRIPPERS.get(original.format)
    if strip is None:
        raise Unfit
    stripped = strip(data)
    options: dict[str, Any] = {"n": -1} if original.frames > 1 else {}
    image = pyvips.Image.new_from_buffer(
        stripped, "", access="sequential", fail_on="warning", **options
    )
    header = original.header
    if (image.width, number(image, "page-height", image.height)) != (header.width, header.height):
        raise Unfit
    check_size(image)
    image.avg()
    return Taken(original=original, size=(header.width, header.height), data=stripped)


def _decoded(original: Original) -> Taken:
    """All pixels in memory, upright."""
    with reading():
        image = load(original, Load(animated=original.frames > 1))
        if original.frames > 1:
            whole = held(image)
            return Taken(original, (image.width, number(image, "page-height", 0)), image=whole)
        whole = held(_showable(original, image))
        whole = upright(Strip(whole, 1), original.orientation).image
    return Taken(original, (whole.width, whole.height), image=whole)


def _showable(original: Original, image: pyvips.Image) -> pyvips.Image:
    """What a format for browsers can hold; a profile stays where its pixels do."""
    if shown_as(original.format) == original.format or _is_plain(image):
        return image
    return to_srgb(to_working_space(image))


def _is_plain(image: pyvips.Image) -> bool:
    return image.format == "uchar" and image.interpretation in ("srgb", "b-w")


def _written(original: Original, image: pyvips.Image) -> bytes:
    match shown_as(original.format):
        case "jpeg":
            return _jpeg(original, image)
        case "png":
            return bytes(image.pngsave_buffer(keep="icc", compression=6, filter="all"))
        case "webp":
            lossless = is_lossless(original.path.read_bytes())
            return bytes(image.webpsave_buffer(keep="icc", lossless=lossless, Q=_QUALITY))
        case "gif":
            return bytes(image.gifsave_buffer(keep="icc"))
        case "avif":
            bits = number(original.header, "bits-per-sample", 8)
            options = {"Q": _QUALITY, "bitdepth": bits, "effort": 3, "subsample_mode": "off"}
            return bytes(image.heifsave_buffer(keep="icc", compression="av1", **options))
    raise DamagedImage


def _jpeg(original: Original, image: pyvips.Image) -> bytes:
    """Colours as fine as they were; a see-through picture is laid on white."""
    if image.hasalpha():
        image = image.flatten(background=[255] * (image.bands - 1))
    fine = original.format != "jpeg" or _chroma(original) == "4:4:4"
    return bytes(
        image.jpegsave_buffer(
            keep="icc",
            Q=_QUALITY,
            optimize_coding=True,
            interlace=bool(number(original.header, "interlaced", 0)),
            subsample_mode="off" if fine else "on",
        )
    )


def _chroma(original: Original) -> str:
    field = "jpeg-chroma-subsample"
    return str(original.header.get(field)) if original.header.get_typeof(field) else ""
