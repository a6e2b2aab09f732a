"""What was decoded lately: a picture is asked for in several sizes one after another."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import pyvips

from pipeline.engine_develop import decode
from pipeline.engine_load import Load, Original, open_original
from pipeline.engine_place import held

_SHARE: Final = 4
"""One picture takes a quarter of the room at most: four of them are the least worth having."""
_MOST_OPENED: Final = 64
_LIGHT: Final = ("jpeg", "png")
"""What libvips has closed again when it has read the header."""
_SAMPLE_BYTES: Final = {"uchar": 1, "ushort": 2}
_WIDEST_SAMPLE: Final = 8


class Lately:
    """Decoded pictures of at most `room` bytes; the one that was asked for longest ago goes first.

    Decoding is most of what a derivative costs: with its source here a JPEG of 160 to 800 pixels
    takes a third of the time.
    """

    def __init__(self, room: int) -> None:
        self.weight = 0
        self._room = room
        self._images: OrderedDict[tuple[str, Load], pyvips.Image] = OrderedDict()
        self._opened: OrderedDict[str, Original] = OrderedDict()

    def named(self, name: str) -> "Named":
        """A reader of the file that has this name, whose bytes are the same wherever it lies."""
        return Named(self, name)

    def open(self, name: str, source: Path) -> Original:
        """The file of this name, with what its header said before."""
        known = self._opened.get(name)
        if known is not None:
            self._opened.move_to_end(name)
            return replace(known, path=source)
        original = open_original(source)
        if original.format in _LIGHT:
            while len(self._opened) >= _MOST_OPENED:
                self._opened.popitem(last=False)
            self._opened[name] = original
        return original

    def decode(self, name: str, original: Original, how: Load, *, shared: bool) -> pyvips.Image:
        """The original of this name, decoded now if it is not here."""
        key = (name, how)
        if key in self._images:
            self._images.move_to_end(key)
            return self._images[key]
        image = decode(original, how, shared=shared)
        if _bytes(image) * _SHARE > self._room:
            return image
        return self._keep(key, image)

    def _keep(self, key: tuple[str, Load], lazy: pyvips.Image) -> pyvips.Image:
        while self.weight + _bytes(lazy) > self._room:
            _, oldest = self._images.popitem(last=False)
            self.weight -= _bytes(oldest)
        image = held(lazy)
        self._images[key] = image
        self.weight += _bytes(image)
        return image


class Named(NamedTuple):
    """Reads one file by its name."""

    lately: Lately
    name: str

    def open(self, source: Path) -> Original:
        """The file, opened now if it was not before."""
        return self.lately.open(self.name, source)

    def decode(self, original: Original, how: Load, *, shared: bool) -> pyvips.Image:
        """Its picture, decoded now if it is not here."""
        return self.lately.decode(self.name, original, how, shared=shared)


def _bytes(image: pyvips.Image) -> int:
    sample = _SAMPLE_BYTES.get(image.format, _WIDEST_SAMPLE)
    return int(image.width) * int(image.height) * int(image.bands) * sample
