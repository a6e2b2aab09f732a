"""Which WebP pictures can be written by Pillow's libwebp instead of libvips' own."""

from typing import Final, TypeGuard

from models.outputs import Output, Webp

LARGEST: Final = 32_000_000
"""Pixels from which on the four bytes that Pillow takes more for each would refuse pictures."""
_WORDLESS: Final = ("near_lossless", "smart_subsample", "smart_deblock")


def is_still(settled: Output, pixels: int, frames: int) -> TypeGuard[Webp]:
    """Whether this is a WebP of one frame, not too large, without what Pillow has no word for."""
    if not isinstance(settled, Webp) or frames > 1 or pixels > LARGEST:
        return False
    return settled.preset == "default" and not any(getattr(settled, name) for name in _WORDLESS)
