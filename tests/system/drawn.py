"""Pictures for whole-system tests: cheap to draw, not cheap to compress."""

import io
from functools import cache

from PIL import Image


@cache
def photo(width: int = 800, height: int = 600, kind: str = "JPEG") -> bytes:
    """A picture with soft detail everywhere, the same every time."""
    coarse = Image.effect_noise((max(2, width // 8), max(2, height // 8)), 90)
    red = coarse.resize((width, height), Image.Resampling.BICUBIC)
    green = Image.linear_gradient("L").resize((width, height))
    blue = Image.radial_gradient("L").resize((width, height))
    file = io.BytesIO()
    Image.merge("RGB", (red, green, blue)).save(file, kind, quality=88)
    return file.getvalue()


def size_of(data: bytes) -> tuple[str, int, int]:
    """Format, width and height of encoded bytes, as another decoder than ours sees them."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return str(picture.format), picture.width, picture.height
