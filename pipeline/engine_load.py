"""From a file to a libvips image: the loader its bytes call for, shrinking while it decodes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pi_heif
import pyvips

from models.errors import DamagedImage, EmptyFile, ImageTooLarge, NotAnImage, Unprocessable
from models.recipe import Orientation
from pipeline import gifs, sniff
from pipeline.engine_errors import reading
from pipeline.geometry import TURNS
from pipeline.prints import InputFormat

MOST_PIXELS: Final = 0x3FFF * 0x3FFF  # sharp's limit, all frames together
MOST_BANDS: Final = 5
_MOST_SVG_SIDE: Final = 32_767
_SVG_DPI: Final = 72
_LOADERS: Final[dict[str, Callable[..., Any]]] = {
    "jpeg": pyvips.Image.jpegload,
    "png": pyvips.Image.pngload,
    "webp": pyvips.Image.webpload,
    "gif": pyvips.Image.gifload,
    "heif": pyvips.Image.heifload,
    "tiff": pyvips.Image.tiffload,
}
_HEIC_BANDS: Final = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}
_DISPLAY_P3: Final = 12  # colour primaries in the words of H.273
_PAGED: Final = ("webp", "gif", "heif", "tiff")
_ANIMATED: Final = ("webp", "gif")


@dataclass(frozen=True)
class Load:
    """One way to decode an original. Equal loads give equal pixels, so one decode serves both."""

    shrink: int = 1  # JPEG only: 1, 2, 4 or 8
    scale: float = 1.0  # WebP and SVG only
    animated: bool = False  # all frames, one below the other


@dataclass(frozen=True)
class Original:
    """A file we can read, opened but not decoded."""

    path: Path
    format: InputFormat
    header: pyvips.Image  # one frame, no shrink

    @property
    def frames(self) -> int:
        """How many frames an animation has; a still and the pages of a TIFF count as one."""
        return number(self.header, "n-pages", 1) if self.format in _ANIMATED else 1

    @property
    def orientation(self) -> Orientation:
        """The EXIF orientation, 1 to 8. A HEIC is upright already when it reaches us."""
        value = number(self.header, "orientation", 1)
        return next((known for known in TURNS if known == value), 1)


def open_original(path: Path) -> Original:
    """Sniff and open. EmptyFile, NotAnImage, DamagedImage, ImageTooLarge."""
    with path.open("rb") as file:
        head = file.read(sniff.NEEDED)
    if not head:
        raise EmptyFile
    kind = sniff.sniff(head)
    if kind is None:
        raise NotAnImage
    if kind == "gif" and not gifs.is_whole(path.read_bytes()):
        raise DamagedImage
    with reading():
        header = _load_svg(path, 1.0) if kind == "svg" else _load(kind, path)
    original = _original(path, kind, header)
    check_size(original.header)
    return original


def load(original: Original, how: Load) -> pyvips.Image:
    """The picture, lazily decoded."""
    match original.format:
        case "jpeg" if how.shrink > 1:
            image = _load("jpeg", original.path, shrink=how.shrink)
        case "webp" if how.scale != 1.0 or how.animated:
            image = _load("webp", original.path, n=-1 if how.animated else 1, scale=how.scale)
        case "gif" if how.animated:
            image = _load("gif", original.path, n=-1)
        case "svg":
            image = _load_svg(original.path, how.scale)
        case "heic":
            image = _load_heic(original)
        case _:
            image = _reopen(original)
    check_size(image)
    return image


def check_size(image: pyvips.Image) -> None:
    """Refuse what libvips would try to decode without any limit of its own."""
    if image.width * image.height > MOST_PIXELS:
        raise ImageTooLarge
    if image.bands > MOST_BANDS:
        raise Unprocessable("The image has too many channels.")


def number(image: pyvips.Image, field: str, otherwise: int) -> int:
    """An integer from the image's metadata."""
    return int(image.get(field)) if image.get_typeof(field) else otherwise


def _original(path: Path, kind: sniff.Kind, header: pyvips.Image) -> Original:
    if kind != "heif":
        return Original(path=path, format=kind, header=header)
    # Both AVIF and HEIC come in HEIF; libvips opens HEIC but cannot decode it, so ask now.
    with reading():
        compression = header.get("heif-compression")
    match compression:
        case "av1":
            return Original(path=path, format="avif", header=header)
        case "hevc":
            return Original(path=path, format="heic", header=header)
    raise NotAnImage


def _load(kind: str, path: Path, **options: Any) -> pyvips.Image:  # noqa: ANN401 - passed through
    """Call one loader by name: the file's name is never parsed for options."""
    if kind in _PAGED:
        options = {"n": 1, "page": 0} | options
    # Sharp's level is "warning", and so is ours: both refuse the same files. But TIFFs in the wild
    # are full of harmless warnings (unknown tags), and truncated ones fail at "error" as well.
    fail_on = "error" if kind == "tiff" else "warning"
    image = _LOADERS[kind](str(path), access="sequential", fail_on=fail_on, **options)
    if kind == "heif" and "page" in options and options["page"] == 0:
        primary = number(image, "heif-primary", 0)
        if primary and number(image, "n-pages", 1) > 1:
            return _load(kind, path, page=primary)
    return image


def _load_svg(path: Path, scale: float) -> pyvips.Image:
    """From memory, so that the drawing has no place of its own to look for other files in."""
    image = pyvips.Image.svgload_buffer(
        path.read_bytes(), dpi=_SVG_DPI, scale=scale, access="sequential", fail_on="warning"
    )
    if max(image.width, image.height) > _MOST_SVG_SIDE:
        raise ImageTooLarge
    return image.copy(xres=_SVG_DPI / 25.4, yres=_SVG_DPI / 25.4)


def _reopen(original: Original) -> pyvips.Image:
    """A sequential image can be read once; whoever loads gets one of their own."""
    kind = "heif" if original.format == "avif" else original.format
    return _load(kind, original.path)


def _load_heic(original: Original) -> pyvips.Image:
    """Upright and in 8 bits, as libheif decodes it; the profile comes along."""
    file = pi_heif.open_heif(original.path)
    image = file[file.primary_index]
    bands = _HEIC_BANDS.get(image.mode)
    if bands is None:
        raise NotAnImage
    width, height = image.size
    rows = pyvips.Image.new_from_memory(image.data, image.stride, height, 1, "uchar")
    # A copy without what pads the rows: pi-heif frees its pixels with `image`, who looks or not.
    pixels = rows.crop(0, 0, width * bands, height).write_to_memory()
    picture = pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar").copy(
        interpretation="srgb" if bands > 2 else "b-w"  # noqa: PLR2004 - grey, perhaps with alpha
    )
    if image.premultiplied_alpha:
        picture = picture.unpremultiply().cast("uchar")
    if profile := image.info.get("icc_profile"):
        picture.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    elif image.info.get("nclx_profile", {}).get("color_primaries") == _DISPLAY_P3:
        return picture.icc_transform("srgb", input_profile="p3", intent="perceptual")
    return picture
