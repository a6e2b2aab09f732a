"""A disk in a file: what was not synced to it is not there after a power cut.

The kernel keeps what programs write to a mounted file system in memory, and brings it to the disk
when it is asked to or after some seconds. The file behind the disk is what would be left if the
power went now: a copy of it, mounted, is the machine after the cut.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_MEGABYTES = 3000
_PROGRAMS = ("mkfs.ext4", "mount", "umount", "losetup")


def why_not() -> str:
    """Why there can be no such disk on this machine; empty when there can."""
    if os.geteuid() != 0:
        return "a disk in a file needs root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in _PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        return f"there is no {missing[0]} here"
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices here"


def make(image: Path) -> None:
    """An empty ext4 in a file, in a new folder; it takes no more room than what is on it."""
    image.parent.mkdir()
    with image.open("wb") as file:
        file.truncate(_MEGABYTES * 1024 * 1024)
    _run("mkfs.ext4", "-q", "-F", str(image))


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    """The disk's files at `place` while the block runs."""
    place.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        _run("umount", "--lazy", str(place))


def cut(image: Path, copy: Path) -> None:
    """The disk as it is at this moment, without what only the kernel's memory knows."""
    _run("cp", "--sparse=always", str(image), str(copy))


def _run(*command: str) -> None:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    subprocess.run(command, check=True, env=environment, capture_output=True)
