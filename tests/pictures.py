"""Pictures the tests draw themselves: small, full of detail, the same in every run.

Every function gives the bytes of a file. Nothing is read from disk or from the network.
"""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 240, 160


def scene(width: int = WIDTH, height: int = HEIGHT, mode: str = "RGB") -> Image.Image:
    """A gradient with hard edges, fine lines and a disc off centre; alpha fades downwards."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    mixed = Image.blend(across, down, 0.5)
    picture = Image.merge("RGB", (across, down, mixed.point(lambda level: 255 - level)))
    draw = ImageDraw.Draw(picture)
    for x in range(0, width, max(4, width // 24)):
        draw.line([(x, 0), (width - 1 - x, height - 1)], fill=(x % 256, 40, 200))
    radius = max(1, min(width, height) // 5)
    left, top = int(width * 0.7) - radius, int(height * 0.3) - radius
    draw.ellipse([left, top, left + 2 * radius, top + 2 * radius], fill=(255, 240, 30))
    draw.rectangle([0, 0, width // 6, height // 6], fill=(220, 20, 20))
    if mode in {"RGBA", "LA"}:
        picture.putalpha(down.point(lambda level: 255 - level))
    return picture.convert(mode)


def frames(count: int = 4, width: int = 80, height: int = 60) -> list[Image.Image]:
    """A square that wanders over a still scene."""
    shown = []
    for i in range(count):
        picture = scene(width, height)
        x = i * (width - 16) // max(1, count - 1)
        ImageDraw.Draw(picture).rectangle([x, 20, x + 15, 35], fill=(255, 0, 255 - 40 * i))
        shown.append(picture)
    return shown


def jpeg(
    width: int = WIDTH,
    height: int = HEIGHT,
    *,
    mode: str = "RGB",
    orientation: int = 1,
    quality: int = 90,
    progressive: bool = False,
    icc: bytes | None = None,
) -> bytes:
    """A JPEG: `mode` RGB, L or CMYK."""
    options: dict[str, Any] = {"quality": quality, "progressive": progressive}
    if orientation != 1:
        options["exif"] = _orientation(orientation)
    return _file(scene(width, height, mode), "JPEG", icc_profile=icc, **options)


def png(
    width: int = WIDTH,
    height: int = HEIGHT,
    *,
    mode: str = "RGB",
    orientation: int = 1,
    icc: bytes | None = None,
) -> bytes:
    """A PNG: `mode` RGB, RGBA, L, LA, P or 1."""
    picture = scene(width, height, "RGB" if mode in {"P", "1"} else mode)
    if mode in {"P", "1"}:
        picture = picture.convert(mode)
    exif = _orientation(orientation) if orientation != 1 else None
    return _file(picture, "PNG", exif=exif, icc_profile=icc)


def png16(width: int = 64, height: int = 48, *, channels: int = 3) -> bytes:
    """A PNG of 16 bits: grey (1), grey and alpha (2), colour (3), colour and alpha (4)."""
    kinds = {1: 0, 2: 4, 3: 2, 4: 6}
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            levels = (x * 65535 // width, y * 65535 // height, (x * 977 + y * 3571) % 65536)
            alpha = 65535 - y * 65535 // height
            colours = levels[: 1 if channels < 3 else 3]
            rows += struct.pack(f">{channels}H", *colours, *([alpha] * (1 - channels % 2)))
    header = struct.pack(">IIBBBBB", width, height, 16, kinds[channels], 0, 0, 0)
    return png_file(("IHDR", header), ("IDAT", zlib.compress(bytes(rows))), ("IEND", b""))


def png_file(*chunks: tuple[str, bytes]) -> bytes:
    """A PNG put together from chunks, sums included."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in chunks:
        body = name.encode() + data
        parts.append(struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body)))
    return b"".join(parts)


def apng(count: int = 4) -> bytes:
    """An animated PNG."""
    first, *rest = frames(count)
    return _file(first, "PNG", save_all=True, append_images=rest, duration=100)


def webp(
    width: int = WIDTH,
    height: int = HEIGHT,
    *,
    mode: str = "RGB",
    orientation: int = 1,
    lossless: bool = False,
) -> bytes:
    """A still WebP: `mode` RGB or RGBA."""
    options: dict[str, Any] = {"exif": _orientation(orientation)} if orientation != 1 else {}
    return _file(scene(width, height, mode), "WEBP", lossless=lossless, quality=85, **options)


def animated_webp(count: int = 4, delays: Sequence[int] | None = None, loop: int = 3) -> bytes:
    """A WebP of several frames, shown 100, 200, 300... milliseconds."""
    first, *rest = frames(count)
    delays = list(delays or range(100, 100 * count + 1, 100))
    return _file(
        first, "WEBP", save_all=True, append_images=rest, duration=delays, loop=loop, quality=85
    )


def gif(width: int = 80, height: int = 60) -> bytes:
    """A GIF of one frame."""
    return _file(scene(width, height), "GIF")


def animated_gif(count: int = 4, delays: Sequence[int] | None = None, loop: int = 3) -> bytes:
    """A GIF of several frames, shown 100, 200, 300... milliseconds."""
    first, *rest = (frame.quantize(64) for frame in frames(count))
    delays = list(delays or range(100, 100 * count + 1, 100))
    return _file(first, "GIF", save_all=True, append_images=rest, duration=delays, loop=loop)


def avif(width: int = WIDTH, height: int = HEIGHT, *, mode: str = "RGB") -> bytes:
    """An AVIF of 8 bits."""
    return _file(scene(width, height, mode), "AVIF", quality=80, speed=10)


def tiff(
    width: int = WIDTH, height: int = HEIGHT, *, mode: str = "RGB", compression: str = "tiff_lzw"
) -> bytes:
    """A TIFF: `mode` RGB, RGBA, L or CMYK."""
    return _file(scene(width, height, mode), "TIFF", compression=compression)


def svg(width: int = 120, height: int = 80, inside: str = "") -> bytes:
    """A drawing: a blue ground with a red disc, and whatever else is asked for."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' width="{width}" height="{height}" viewBox="0 0 120 80">'
        '<rect width="120" height="80" fill="#0000ff"/>'
        f'<circle cx="60" cy="40" r="30" fill="#ff0000"/>{inside}</svg>'
    ).encode()


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def _file(picture: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    given = {name: value for name, value in options.items() if value is not None}
    picture.save(buffer, format_name, **given)
    return buffer.getvalue()
