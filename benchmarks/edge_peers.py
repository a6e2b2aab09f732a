"""Two image servers that others use: ipx (Node, sharp) and thumbor (Python, Pillow).

They are installed, in pinned versions, into a cache folder outside the tree the first time.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from programs import free_port, running

from models.defaults import AVIF, WEBP

IPX: Final = "ipx@3.1.1"
THUMBOR: Final = ("thumbor==7.8.0", "pillow==12.3.0", "pillow-avif-plugin==1.6.0")
HERE: Final = Path(__file__).parent
WORKERS: Final = 2
QUALITY: Final = {"jpeg": 80, "webp": 80, "avif": 50}
EFFORT: Final = {"webp": WEBP.effort or 4, "avif": AVIF.effort or 4}
"""Pinned for all: our own defaults, sharp's scale."""
CONF: Final = """
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {folder!r}
STORAGE = "thumbor.storages.no_storage"
ALLOW_UNSAFE_URL = True
AVIF_SPEED = {speed}
"""
"""WebP is Pillow's method 4 there, which is sharp's effort 4; AVIF is 4:2:0 as ours."""
_FASTEST_AVIF: Final = 9  # sharp's effort 0

Locate = Callable[[str, int, str], str]


class Absent(Exception):
    """A peer that cannot be had here; the text says why."""


class Peer(NamedTuple):
    """A running image server: `locate(photo, width, format)` is the path of a picture there."""

    name: str
    port: int
    session: int
    locate: Locate


def cache() -> Path:
    """Where the peers are kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "calotype-bench"


@contextlib.contextmanager
def ipx(photos: Path) -> Iterator[Peer]:
    """Ipx over a folder, two processes. Raises Absent."""
    modules, port = _installed_ipx(), free_port()
    command = ("node", HERE / "ipx.mjs", modules, photos, str(port))
    effort = {f"EFFORT_{name.upper()}": str(effort) for name, effort in EFFORT.items()}
    with running(*command, port=port, **effort) as session:
        yield Peer("ipx", port, session, _at_ipx)


@contextlib.contextmanager
def thumbor(photos: Path) -> Iterator[Peer]:
    """Thumbor over a folder, two processes. Raises Absent."""
    program, port = _installed_thumbor(), free_port()
    conf = cache() / f"thumbor-{port}.conf"
    conf.write_text(CONF.format(folder=str(photos), speed=_FASTEST_AVIF - EFFORT["avif"]))
    command = (program, "--ip", "127.0.0.1", "--port", str(port), "--conf", conf)
    try:
        with running(*command, "--processes", str(WORKERS), port=port) as session:
            yield Peer("thumbor", port, session, _at_thumbor)
    finally:
        conf.unlink()


PEERS: Final = (ipx, thumbor)


def _at_ipx(photo: str, width: int, form: str) -> str:
    return f"/f_{form},q_{QUALITY[form]},w_{width}/{photo}"


def _at_thumbor(photo: str, width: int, form: str) -> str:
    return f"/unsafe/{width}x0/filters:format({form}):quality({QUALITY[form]})/{photo}"


def _installed_ipx() -> Path:
    folder = cache() / IPX.replace("@", "-")
    if not (folder / "node_modules" / "ipx").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, IPX)
    return folder


def _installed_thumbor() -> Path:
    folder = cache() / THUMBOR[0].replace("==", "-")
    if not (folder / "bin" / "thumbor").exists():
        _run(sys.executable, "-m", "venv", folder)
        _run(folder / "bin" / "pip", "install", "--quiet", *THUMBOR)
    return folder / "bin" / "thumbor"


def _run(*command: str | Path) -> None:
    if not shutil.which(command[0]):
        raise Absent(f"{command[0]} is not installed")
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    except subprocess.SubprocessError as error:
        raise Absent(f"{command[-1]} cannot be installed: {error}") from error
