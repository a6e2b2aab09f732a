"""A PNG without what it says beside its pixels: chunks are left out, nothing is decoded."""

from collections.abc import Iterator
from typing import Final

from pipeline.strip_errors import Unfit

_SIGNATURE: Final = 8
_FRAME: Final = 12  # length, name and checksum around a chunk's content
_PICTURE: Final = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"))
_COLOUR: Final = frozenset(
    (b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs")
)
_ANIMATION: Final = frozenset((b"acTL", b"fcTL", b"fdAT"))
_KEPT: Final = _PICTURE | _COLOUR | _ANIMATION


def strip_png(data: bytes) -> bytes:
    """Up to its end, with its colours and its animation. Raises Unfit."""
    return b"".join((data[:_SIGNATURE], *(chunk for chunk in _chunks(data) if chunk[4:8] in _KEPT)))


def is_animated(data: bytes) -> bool:
    """Whether it moves, for who knows how to show that."""
    return any(chunk[4:8] == b"acTL" for chunk in _chunks(data))


def _chunks(data: bytes) -> Iterator[bytes]:
    at = _SIGNATURE
    while at + _FRAME <= len(data):
        end = at + _FRAME + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise Unfit
        yield data[at:end]
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end
    raise Unfit
