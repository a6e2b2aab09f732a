"""Test builds: a copy of the product in which a safeguard is switched off, and nothing else."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.prove.kept import ROOT

_COPIED = ("gateway", "cdn_edge", "pipeline", "models", "tests", "pyproject.toml", "README.md")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", ".hypothesis")


class Change(NamedTuple):
    """In this file these words stand once; in the build others stand there."""

    file: str
    words: str
    others: str


def build(folder: Path, changes: Sequence[Change]) -> Path:
    """A copy of the product with these changes. ValueError when the words are not there once.

    Who runs it puts it before everything else on PYTHONPATH.
    """
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_LEFT_OUT)
        else:
            shutil.copy(source, folder / name)
    for change in changes:
        _apply(folder / change.file, change)
    return folder


def _apply(path: Path, change: Change) -> None:
    text = path.read_text()
    if text.count(change.words) != 1:
        raise ValueError(f"{change.file} does not say {change.words!r} once")
    path.write_text(text.replace(change.words, change.others))
