"""A JPEG without what it says beside its pixels: segments are left out, nothing is decoded."""

import re
from collections.abc import Iterator
from typing import Final

from pipeline.strip_errors import Unfit

_START, _END, _SCAN, _COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
_JFIF_HEAD: Final = 12  # its version and density; the rest is a thumbnail
_APPLICATION: Final = range(0xE0, 0xF0)
_LONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))  # markers that no length follows
# In a scan 0xff is followed by 0 or a restart marker; whatever else comes next ends it.
_SCAN_END: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def strip_jpeg(data: bytes) -> bytes:
    """Up to the end of its first picture, with its colour profile. Raises Unfit.

    What a decoder needs stays: tables, scans, how colours are written (JFIF, Adobe).
    """
    if data[1] != _START:
        raise Unfit
    return b"".join((data[:2], *_segments(data)))


def _segments(data: bytes) -> Iterator[bytes]:
    at = 2
    while True:
        at, marker = _marker(data, at)
        if marker == _END:
            yield b"\xff\xd9"
            return
        if marker in _LONE:
            raise Unfit
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield _kept(marker, data[at:end])
        at = end
        if marker == _SCAN:
            end = _scan_end(data, at)
            yield data[at:end]
            at = end


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """Where the next marker is, and which: any number of 0xff may stand before it."""
    while data[at : at + 2] == b"\xff\xff":
        at += 1
    if data[at : at + 1] != b"\xff" or at + 1 >= len(data):
        raise Unfit
    return at, data[at + 1]


def _scan_end(data: bytes, at: int) -> int:
    found = _SCAN_END.search(data, at)
    if found is None:
        raise Unfit
    return found.start()


def _kept(marker: int, segment: bytes) -> bytes:
    """What stays of a segment."""
    if marker == _COMMENT:
        return b""
    if marker not in _APPLICATION:
        return segment
    said = segment[4:]
    if said.startswith(b"JFIF\0"):
        return b"\xff\xe0\x00\x10" + said[:_JFIF_HEAD].ljust(_JFIF_HEAD, b"\0") + b"\0\0"
    if said.startswith((b"ICC_PROFILE\0", b"Adobe")):
        return segment
    return b""
