"""What comes out of the engine, as plain values: a parent process can know them without libvips."""

from dataclasses import dataclass
from typing import Final, Literal

from models.recipe import Orientation
from models.wire import Wire

InputFormat = Literal["jpeg", "png", "webp", "gif", "avif", "tiff", "heic", "svg"]

CONTENT_TYPES: Final = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "svg": "image/svg+xml",
    "ico": "image/x-icon",
}
EXTENSIONS: Final = {
    "jpeg": "jpg",
    "png": "png",
    "webp": "webp",
    "gif": "gif",
    "avif": "avif",
    "tiff": "tiff",
    "heic": "heic",
    "svg": "svg",
    "ico": "ico",
}


class Probe(Wire, frozen=True):
    """What the header says, before decoding. Width and height: upright, of one frame."""

    format: InputFormat
    content_type: str
    extension: str
    width: int
    height: int
    frames: int = 1
    bands: int = 3
    bits: int = 8
    alpha: bool = False
    interlaced: bool = False
    orientation: Orientation = 1


class Canvas(Wire, frozen=True):
    """How to read raw pixels: 8-bit sRGB, `bands` interleaved, frames one below the other."""

    width: int
    height: int  # of all frames together
    bands: int
    frames: int = 1
    delay: tuple[int, ...] | None = None  # milliseconds per frame
    loop: int | None = None  # 0 is forever
    palette: tuple[int, ...] | None = None  # the GIF's own, 0xAARRGGBB
    density: tuple[float, float] = (1.0, 1.0)  # pixels per millimetre, across and down

    @property
    def frame_height(self) -> int:
        """The height of one frame."""
        return self.height // self.frames


@dataclass(frozen=True, slots=True)
class Picture:
    """A developed picture in memory. `pixels` may be bytes, a mapped file or shared memory."""

    canvas: Canvas
    pixels: bytes | memoryview


class Print(Wire, frozen=True):
    """An encoded variant. Width and height are those of one frame."""

    data: bytes
    width: int
    height: int
    format: str
    content_type: str
    extension: str
