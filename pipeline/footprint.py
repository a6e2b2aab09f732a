"""How much memory an order will take, guessed from the header before anything is decoded.

The slopes are bytes of address space per pixel, measured at 6, 24 and 48 megapixels with photos
(pyvips-binary 8.18.7, one thread, 1200 px out), rounded up; that of AVIF is 15 with 8 bits and 24
with 10, because libheif holds the planes, their conversion and the whole picture.
"""

from collections.abc import Sequence
from typing import NamedTuple

from models.outputs import Avif, Gif, Jpeg, Mezzanine, Output, Png, Webp
from models.recipe import Recipe
from pipeline.extent import Extent, extent
from pipeline.prints import Probe
from pipeline.webp_still import is_still

_HEAP = 24 << 20  # what any job moves: line caches, tables, libvips itself
_EIGHT_BITS = 8
_COLOURS = 3
_STILL_WEBP = 13.0  # Pillow holds the pixels in its own way, too
_SLOW_AVIF = 4  # the effort from which libaom keeps more
_HEIF = {"avif": (16.0, 25.0), "heic": (7.0, 12.0)}  # up to 8 bits, and more


class Footprint(NamedTuple):
    """Bytes, over what a child is born with."""

    reading: int
    """While the original is decoded."""
    pictures: int
    """All developed pictures together."""
    largest: int
    """The one picture with its encoder that takes most."""

    @property
    def child(self) -> int:
        """The most that one child will hold."""
        return self.reading + self.largest

    @property
    def order(self) -> int:
        """The most that the order will hold, in children and in files in memory."""
        return self.reading + self.pictures + self.largest


def footprint(probe: Probe, settled: Sequence[Recipe]) -> Footprint:
    """What these recipes take from an original like this."""
    extents = [extent(probe, recipe) for recipe in settled]
    bands = max(probe.bands, 4 if probe.alpha else 3)
    encoders = (
        here.pixels * bands + _writing(recipe.output, here, clear=bands > _COLOURS)
        for here, recipe in zip(extents, settled, strict=True)
    )
    return Footprint(
        reading=_HEAP + _reading(probe, extents) + _sharing(probe, extents),
        pictures=sum(here.pixels for here in set(extents)) * bands,
        largest=int(max(encoders)),
    )


def _reading(probe: Probe, extents: Sequence[Extent]) -> int:
    """The decoder's own memory, or the scaled picture's where the decoder scales."""
    frames = max(here.frames for here in extents)
    scaled = max(here.scaled.width * here.scaled.height for here in extents) * frames
    if probe.format == "svg":
        return 8 * scaled
    return int(_slope(probe) * probe.width * probe.height * frames)


def _slope(probe: Probe) -> float:
    deep = probe.bits > _EIGHT_BITS
    bytes_per_pixel = probe.bands * (2 if deep else 1)
    match probe.format:
        case "jpeg":
            return 2.2 * probe.bands if probe.interlaced else 1.0
        case "png":
            return bytes_per_pixel * (1.05 if probe.interlaced else 0.5)
        case "avif" | "heic":
            return _HEIF[probe.format][deep]
        case "webp" | "gif":
            return 9.0
    return bytes_per_pixel * 1.05  # TIFF: a strip may be the whole picture


def _sharing(probe: Probe, extents: Sequence[Extent]) -> int:
    """A decode that serves several sizes is held whole, and so is each scaled size then."""
    sizes = set(extents)
    if len(sizes) == 1 or probe.format == "svg":
        return 0
    frames = max(here.frames for here in extents)
    depth = 2 if probe.bits > _EIGHT_BITS else 1
    return probe.width * probe.height * frames * probe.bands * depth


def _writing(output: Output, here: Extent, *, clear: bool) -> float:
    """What an encoder adds to the picture it reads; films are written frame by frame."""
    pixels = here.pixels // here.frames
    if is_still(output, pixels, here.frames) and not clear and not output.lossless:
        return pixels * _STILL_WEBP
    frame = pixels * _encoder(output, clear=clear)
    return frame if here.frames == 1 else frame + here.pixels * 2.5


def _encoder(output: Output, *, clear: bool) -> float:
    """Bytes per pixel; `clear` pictures have an alpha channel."""
    match output:
        case Avif():
            return _avif(output, clear=clear)
        case Webp(lossless=True) | Webp(near_lossless=True) | Mezzanine():
            return 34.0
        case Webp():
            return 37.0 if clear else 9.0
        case Gif():
            return 24.0
        case Jpeg(progressive=True) | Png(palette=True):
            return 13.0
    return 8.0


def _avif(output: Avif, *, clear: bool) -> float:
    """30 for plain 4:2:0; whole planes of colour, depth, effort and alpha each take their share."""
    slope = 30.0
    slope *= 1.0 if output.chroma_subsampling == "4:2:0" else 1.4
    slope *= 1.0 if output.bitdepth == _EIGHT_BITS else 1.4
    slope *= 1.0 if (output.effort or 0) < _SLOW_AVIF else 1.4
    return slope * (1.65 if clear else 1.0)
