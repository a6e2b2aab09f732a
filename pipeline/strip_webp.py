"""A WebP without what it says beside its pixels: chunks are left out, nothing is decoded."""

from collections.abc import Iterator
from typing import Final

from pipeline.strip_errors import Unfit

_HEAD: Final = 12  # RIFF, its length, WEBP
_KEPT: Final = frozenset((b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"))
_TELLS: Final = 0x0C  # the flags of VP8X that announce EXIF and XMP


def strip_webp(data: bytes) -> bytes:
    """Its picture or its frames, and its colour profile. Raises Unfit."""
    chunks = b"".join(_kept(chunk) for chunk in _chunks(data) if chunk[:4] in _KEPT)
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks


def is_lossless(data: bytes) -> bool:
    """Whether every pixel was kept when it was written."""
    return any(chunk[:4] == b"VP8L" for chunk in _chunks(data))


def _kept(chunk: bytes) -> bytes:
    if chunk[:4] != b"VP8X":
        return chunk
    return chunk[:8] + bytes((chunk[8] & ~_TELLS,)) + chunk[9:]


def _chunks(data: bytes) -> Iterator[bytes]:
    """The chunks as far as the file says it goes, each with the byte that makes it even."""
    at, last = _HEAD, 8 + int.from_bytes(data[4:8], "little")
    if last > len(data):
        raise Unfit
    while at + 8 < last:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size
        if end > last:
            raise Unfit
        yield data[at:end] + b"\0" * (size % 2)
        at = end + size % 2
