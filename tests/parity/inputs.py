"""Pictures of every kind we read and sharp reads too, by name."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PIL import ImageCms

from tests import pictures

PHOTOS = Path(__file__).parents[3] / "shared" / "photos"


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _jpeg_with_profile() -> bytes:
    return pictures.jpeg(icc=_srgb())


def _png_with_profile() -> bytes:
    return pictures.png(mode="RGBA", icc=_srgb())


DRAWN: Mapping[str, Callable[[], bytes]] = {
    "jpeg": pictures.jpeg,
    "jpeg-large": partial(pictures.jpeg, 1601, 1067),
    "jpeg-odd": partial(pictures.jpeg, 333, 211),
    "jpeg-thin": partial(pictures.jpeg, 300, 7),
    "jpeg-tall": partial(pictures.jpeg, 97, 401),
    "jpeg-progressive": partial(pictures.jpeg, progressive=True),
    "jpeg-grey": partial(pictures.jpeg, mode="L"),
    "jpeg-cmyk": partial(pictures.jpeg, mode="CMYK"),
    "jpeg-profile": _jpeg_with_profile,
    "png": pictures.png,
    "png-alpha": partial(pictures.png, mode="RGBA"),
    "png-grey": partial(pictures.png, mode="L"),
    "png-grey-alpha": partial(pictures.png, mode="LA"),
    "png-palette": partial(pictures.png, mode="P"),
    "png-bits": partial(pictures.png, mode="1"),
    "png-profile": _png_with_profile,
    "png-tiny": partial(pictures.png, 3, 2),
    "png-dot": partial(pictures.png, 1, 1),
    "png16": pictures.png16,
    "png16-grey": partial(pictures.png16, channels=1),
    "png16-grey-alpha": partial(pictures.png16, channels=2),
    "png16-alpha": partial(pictures.png16, channels=4),
    "apng": pictures.apng,
    "webp": pictures.webp,
    "webp-large": partial(pictures.webp, 1203, 801),
    "webp-alpha": partial(pictures.webp, mode="RGBA"),
    "webp-lossless": partial(pictures.webp, lossless=True),
    "webp-moving": pictures.animated_webp,
    "gif": pictures.gif,
    "gif-moving": pictures.animated_gif,
    "avif": pictures.avif,
    "avif-alpha": partial(pictures.avif, mode="RGBA"),
    "tiff": pictures.tiff,
    "tiff-alpha": partial(pictures.tiff, mode="RGBA"),
    "tiff-grey": partial(pictures.tiff, mode="L"),
    "tiff-cmyk": partial(pictures.tiff, mode="CMYK"),
    "svg": pictures.svg,
    **{f"jpeg-turned-{i}": partial(pictures.jpeg, orientation=i) for i in range(2, 9)},
    **{f"png-turned-{i}": partial(pictures.png, mode="RGBA", orientation=i) for i in range(2, 9)},
    **{f"webp-turned-{i}": partial(pictures.webp, orientation=i) for i in (3, 6, 7)},
}
MOVING = ("webp-moving", "gif-moving")

# Real ones beside the checkout: cameras, profiles and encoders that drawing cannot imitate.
_KINDS = "22 23 24 25 26 27 30 31 32 51 56 58 59 60 61 65 66 67 68 71 72"
REAL = tuple(path.name for kind in _KINDS.split() for path in sorted(PHOTOS.glob(f"{kind}-*")))


def place(name: str, folder: Path) -> Path:
    """The file of a name: a photo where it lies, a drawn picture in `folder`."""
    if name in REAL:
        return PHOTOS / name
    file = folder / name
    if not file.exists():
        file.write_bytes(DRAWN[name]())
    return file
