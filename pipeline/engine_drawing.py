"""Photo or drawing: in which near-lossless form a picture is kept to make others from."""

from typing import Final

import pyvips

from models.outputs import Jpeg, Output, Webp

# The usual Huffman tables: 15 ms instead of 43 for two megapixels, and 2 % more bytes.
PHOTO: Final = Jpeg(quality=95, chroma_subsampling="4:4:4", mozjpeg=False, optimise_coding=False)
DRAWING: Final = Webp(lossless=True, effort=0)
# Of 30 photos and screenshots the photos have at most 0.56, but for one of a night sky; drawings
# begin at 0.71. Effort 0 is three to ten times as fast as 1, for a tenth more bytes.
_FLAT: Final = 0.65
_OPAQUE: Final = 255
_ROWS: Final = 4
"""Every fourth row tells as much as all."""


def near_lossless(image: pyvips.Image) -> Output:
    """How to keep this picture. `image` is 8-bit sRGB, in memory."""
    return DRAWING if _is_clear(image) or is_drawing(image) else PHOTO


def _is_clear(image: pyvips.Image) -> bool:
    return bool(image.hasalpha() and image[image.bands - 1].min() < _OPAQUE)


def is_drawing(image: pyvips.Image) -> bool:
    """Whether most pixels are exactly like their left neighbour."""
    if image.width == 1:
        return False
    some = image.subsample(1, _ROWS) if image.height >= _ROWS else image
    right, left = (some.crop(at, 0, some.width - 1, some.height) for at in (1, 0))
    return bool((right == left).bandand().avg() / 255 > _FLAT)
