"""Render children that do what a picture tells them after its last byte: die, hang, eat memory.

Python imports this by itself in every process that has this folder on its path.
"""

import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline import engine

MARK = b"\nPROVE:"
_real = engine.pictures


def _crash() -> None:
    ctypes.string_at(0)


def _exit() -> None:
    os._exit(7)


def _hang() -> None:
    while True:
        pass


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(16 << 20))


FAULTS = {b"crash": _crash, b"exit": _exit, b"hang": _hang, b"memory": _eat}


def _pictures(source: Path, recipes: Sequence[Any], *more: Any) -> Iterator[Any]:
    word = source.read_bytes()[-32:].rpartition(MARK)[2] if MARK else b""
    if word in FAULTS:
        FAULTS[word]()
    yield from _real(source, recipes, *more)


engine.pictures = _pictures
