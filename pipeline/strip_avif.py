"""An AVIF without what it says beside its pixels: that is overwritten, so every offset stays true.

Its items (EXIF, XMP) become zeros of a kind that no reader looks for; boxes become free space.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pipeline.strip_errors import Unfit

_TOLD: Final = (b"Exif", b"mime", b"uri ")
_LOOSE: Final = (b"uuid", b"udta", b"free", b"skip")  # boxes that say nothing of the picture
_NESTED: Final = (b"moov", b"trak")
_VERSIONED: Final = 4  # bytes of version and flags
_SHORT, _LONG = 8, 16  # bytes of a box's head
_IN_FILE, _IN_META = 0, 1  # where an item's offset counts from


class Box(NamedTuple):
    """A box: its kind, and its content from where to where."""

    kind: bytes
    start: int
    end: int


def strip_avif(data: bytes) -> bytes:
    """Its pictures, how they are shown and their colour profile. Raises Unfit."""
    blank = bytearray(data)
    boxes = list(_boxes(data, 0, len(data)))
    _blank_loose(data, blank, boxes)
    meta = next((box for box in boxes if box.kind == b"meta"), None)
    if meta is None:
        raise Unfit
    inside = {box.kind: box for box in _boxes(data, meta.start + _VERSIONED, meta.end)}
    told = dict(_told(data, inside[b"iinf"])) if b"iinf" in inside else {}
    for start, end in _places(data, inside, told) if told else ():
        blank[start:end] = bytes(end - start)
    for place in told.values():
        blank[place : place + 4] = b"skip"
    return bytes(blank)


def _blank_loose(data: bytes, blank: bytearray, boxes: list[Box]) -> None:
    for box in boxes:
        if box.kind in _LOOSE:
            blank[box.start : box.end] = bytes(box.end - box.start)
            head = data.rfind(box.kind, 0, box.start)
            blank[head : head + 4] = b"free"
        elif box.kind in _NESTED:
            _blank_loose(data, blank, list(_boxes(data, box.start, box.end)))


def _boxes(data: bytes, at: int, end: int) -> Iterator[Box]:
    while at + _SHORT <= end:
        size, head = _number(data, at, 4), _SHORT
        if size == 1:
            size, head = _number(data, at + _SHORT, 8), _LONG
        size = size or end - at  # 0: to the end
        if size < head or at + size > end:
            raise Unfit
        yield Box(data[at + 4 : at + 8], at + head, at + size)
        at += size


def _told(data: bytes, iinf: Box) -> Iterator[tuple[int, int]]:
    """The items that are to go: their ids, and where their kinds are written."""
    wide = data[iinf.start] > 0
    for box in _boxes(data, iinf.start + _VERSIONED + (4 if wide else 2), iinf.end):
        version = data[box.start]
        if box.kind != b"infe" or version not in (2, 3):
            raise Unfit
        width = 2 if version == 2 else 4  # noqa: PLR2004 - its version
        place = box.start + _VERSIONED + width + 2
        if data[place : place + 4] in _TOLD:
            yield _number(data, box.start + _VERSIONED, width), place


def _places(
    data: bytes, inside: dict[bytes, Box], told: dict[int, int]
) -> Iterator[tuple[int, int]]:
    """From where to where the items that are to go are written in the file."""
    if b"iloc" not in inside:
        raise Unfit
    idat = inside.get(b"idat", Box(b"idat", 0, 0))
    for item, method, start, size in _extents(data, inside[b"iloc"]):
        if item not in told:
            continue
        first = start + idat.start if method == _IN_META else start
        end = first + size if size else len(data)
        if method not in (_IN_FILE, _IN_META) or end > len(data):
            raise Unfit
        yield first, end


def _extents(data: bytes, iloc: Box) -> Iterator[tuple[int, int, int, int]]:
    """Each item's pieces: its id, what its offset counts from, the offset, how long it is."""
    version, at = data[iloc.start], iloc.start + _VERSIONED
    widths = [data[at] >> 4, data[at] & 15, data[at + 1] >> 4, data[at + 1] & 15]
    offset_width, length_width, base_width, index_width = widths
    id_width = 4 if version > 1 else 2
    read = _Reader(data, at + 2, iloc.end)
    for _ in range(read.number(id_width)):
        item = read.number(id_width)
        method = read.number(2) & 15 if version else _IN_FILE
        read.number(2)
        base = read.number(base_width)
        for _ in range(read.number(2)):
            read.number(index_width if version else 0)
            offset = read.number(offset_width)
            yield item, method, base + offset, read.number(length_width)


class _Reader:
    """Reads numbers one after the other. Raises Unfit at the end."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data = data
        self._at = at
        self._end = end

    def number(self, width: int) -> int:
        self._at += width
        if self._at > self._end:
            raise Unfit
        return _number(self._data, self._at - width, width)


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise Unfit
    return int.from_bytes(data[at : at + width])
