"""A place in memory where children leave bytes, and that nobody has to tidy after a crash."""

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it, mode 0700
_ROOM = 1 << 30


def default_scratch() -> Path:
    """Memory if there is a gigabyte of it (containers often give 64 MB), else the disk."""
    name = f"calotype-{os.getuid()}"
    with suppress(OSError):
        if shutil.disk_usage(_SHARED_MEMORY).free >= _ROOM:
            return _SHARED_MEMORY / name
    return Path(tempfile.gettempdir()) / name


class Scratch:
    """A folder of this process under `root`; it holds a lock on it for as long as it lives."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(root):
            _sweep(root)
            self.home = Path(tempfile.mkdtemp(prefix="studio-", dir=root))
            self._lock = _try_lock(self.home)
        self._numbers = itertools.count(1)

    def folder(self) -> Path:
        """A new empty folder for one order."""
        path = self.home / f"order-{next(self._numbers)}"
        path.mkdir()
        return path

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.home, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _sweep(root: Path) -> None:
    """Remove what dead studios left: a folder whose lock can be had has no owner."""
    for left in root.glob("studio-*"):
        if (lock := _try_lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)


def _try_lock(folder: Path) -> int | None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two studios that start at the same time do not sweep each other's new folder."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
