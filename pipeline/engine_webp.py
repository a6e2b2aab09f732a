"""WebP stills written by Pillow's libwebp: the same bytes as libvips', a fifth to a third sooner.

Both wheels carry the same version of it, but that of libvips is compiled to be small.
"""

import io
from typing import Any, Final, TypeGuard, cast

from PIL import Image, WebPImagePlugin

from models.outputs import Output, Webp
from pipeline.prints import Picture
from pipeline.webp_still import is_still

_MODES: Final = {3: "RGB", 4: "RGBA"}
_CLEAR: Final = 4


def prepare_webp() -> None:
    """Load what Pillow writes with: a job must not wait for it."""
    Image.preinit()
    if not WebPImagePlugin.SUPPORTED:
        raise RuntimeError("This Pillow has no WebP: install the one that requirements.lock names.")


def can_write(settled: Output, picture: Picture) -> TypeGuard[Webp]:
    """Whether this is one of those; what has to be flattened first is not."""
    canvas = picture.canvas
    if not is_still(settled, canvas.width * canvas.height, canvas.frames):
        return False
    return canvas.bands in _MODES and not (settled.background and canvas.bands == _CLEAR)


def write_webp(picture: Picture, settled: Webp) -> bytes:
    """The file's bytes, of a picture that `can_write`."""
    canvas, file = picture.canvas, io.BytesIO()
    mode = _MODES[canvas.bands]
    pixels = cast("Any", picture.pixels)  # any buffer, though Pillow's own types say less
    image = Image.frombuffer(mode, (canvas.width, canvas.height), pixels, "raw", mode, 0, 1)
    image.save(
        file,
        "WEBP",
        lossless=settled.lossless,
        quality=settled.quality,
        alpha_quality=settled.alpha_quality,
        method=settled.effort,
        exact=settled.exact,
    )
    return file.getvalue()
