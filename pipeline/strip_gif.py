"""A GIF without what it says beside its pixels: blocks are left out, nothing is decoded."""

from collections.abc import Iterator
from typing import Final

from pipeline.gifs import HEADER, after_blocks, table_size
from pipeline.strip_errors import Unfit

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CONTROL, _TEXT, _APPLICATION = 0xF9, 0x01, 0xFF
_KEPT: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")  # how often it plays, its profile


def strip_gif(data: bytes) -> bytes:
    """Its frames, how they play and its colour profile. Raises Unfit."""
    try:
        start = HEADER + table_size(data[10])
        return b"".join((data[:start], *_blocks(data, start), bytes((_TRAILER,))))
    except IndexError:
        raise Unfit from None


def _blocks(data: bytes, at: int) -> Iterator[bytes]:
    while at < len(data) and data[at] != _TRAILER:
        if data[at] == _IMAGE:
            end = after_blocks(data, at + 11 + table_size(data[at + 9]))
        elif data[at] == _EXTENSION:
            end = after_blocks(data, at + 2)
        else:
            return  # padding that every decoder stops at
        if data[at] == _IMAGE or _is_kept(data[at + 1], data[at + 3 : at + 14]):
            yield data[at:end]
        at = end


def _is_kept(label: int, name: bytes) -> bool:
    if label == _TEXT:
        raise Unfit  # a picture of words: what came before it would be said of the next frame
    return label == _CONTROL or (label == _APPLICATION and name in _KEPT)
