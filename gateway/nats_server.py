"""The nats-server that came with this install, run beside an embedded system."""

import asyncio
import contextlib
import ctypes
import functools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from models.settings import SettingsError
from pipeline.bus_papers import Papers

_READY_SECONDS = 15.0
_STOP_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
_ANY_PORT = -1
_PR_SET_PDEATHSIG = 1

log = structlog.get_logger(__name__)
_PASSWORD = re.compile(r'password: "([^"]+)"')


class NatsAddress(NamedTuple):
    """Where the embedded server is, what else it asks for, and where it tells how it is set."""

    url: str
    token: str
    proof: str
    papers: Papers = Papers()


@contextlib.asynccontextmanager
async def embedded_nats(data: Path) -> AsyncIterator[NatsAddress]:
    """Run a server whose streams are in `data/nats` while the block runs.

    It listens on a random loopback port, asks for a random password, syncs every message to disk
    before it acknowledges it, is started again when it dies, and goes with this process however
    that ends.
    """
    folder = (data / "nats").resolve()
    shutil.rmtree(folder / "ports", ignore_errors=True)
    (folder / "ports").mkdir(parents=True)
    server = _Server(folder, _Passwords(secrets.token_urlsafe(32), secrets.token_urlsafe(32)))
    server.start(_ANY_PORT)
    try:
        url = await _url_of(server.process, folder)
        keeper = asyncio.create_task(_keep(server, urlsplit(url).port or _ANY_PORT))
        try:
            yield _address(url, server.passwords)
        finally:
            keeper.cancel()
    finally:
        server.process.terminate()
        await asyncio.to_thread(_reap, server.process)


def running_nats(data: Path) -> NatsAddress:
    """The server that a system beside us runs on this folder. SettingsError when it is not ready.

    Where it listens and what it asks for is written in the folder, readable by its owner alone.
    """
    folder = (data / "nats").resolve()
    found = _PASSWORD.findall((folder / "nats.conf").read_text()) if folder.exists() else []
    url = _written_url(folder)
    if not found or url is None:
        raise SettingsError(f"The system on {data} is just starting or stopping: try again.")
    return _address(url, _Passwords(*found))


class _Passwords(NamedTuple):
    """What the server asks its user for, and who wants to know how it is set."""

    user: str
    system: str


def _address(url: str, passwords: _Passwords) -> NatsAddress:
    place = url.removeprefix("nats://")
    user, system = (f"nats://{name}:{word}@{place}" for name, word in passwords._asdict().items())
    return NatsAddress(user, "", system)


class _Server:
    """The process of the moment, and what the next one is started with."""

    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path, passwords: _Passwords) -> None:
        self.passwords = passwords
        self._folder = folder

    def start(self, port: int) -> None:
        """From the event loop's thread: the server dies when the thread does that started it."""
        config = self._folder / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(_config(self._folder, self.passwords, port))
        self.process = _spawn(config)


async def _keep(server: _Server, port: int) -> None:
    """A server that dies is started again where it was: who was connected comes back by itself."""
    while True:
        await _ended(server.process)
        log.error("the nats-server died and is started again", code=server.process.wait())
        await asyncio.sleep(_AGAIN_SECONDS)
        server.start(port)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


def _spawn(config: Path) -> subprocess.Popen[bytes]:
    with (config.parent / "nats.log").open("ab") as words:
        return subprocess.Popen(  # noqa: S603 the server of this install
            [binary(), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,  # Ctrl-C is for us; the server goes when we say so
            preexec_fn=functools.partial(_die_with, os.getpid()),  # noqa: PLW1509 it calls the system alone
        )


def _config(folder: Path, passwords: _Passwords, port: int) -> str:
    # sync_interval: the default acknowledges what a power cut then takes away. It is read back
    # from the system account, see pipeline/bus_proof.py.
    return f"""
server_name: embedded
host: 127.0.0.1
port: {port}
ports_file_dir: "{folder}/ports"
max_payload: 1MB
jetstream {{
  store_dir: "{folder}/store"
  max_mem: 64MB
  max_file: 10GB
  sync_interval: always
}}
authorization {{ users: [ {{ user: user, password: "{passwords.user}" }} ] }}
accounts {{ $SYS {{ users: [ {{ user: system, password: "{passwords.system}" }} ] }} }}
"""


def binary() -> str:
    """The path of the nats-server of this install, or of this machine. Raises SettingsError."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    found = found or shutil.which("nats-server")
    if not found:
        raise SettingsError(
            "There is no nats-server: reinstall calotype, or set CALOTYPE_NATS_URL to your own."
        )
    return found


def _die_with(parent: int) -> None:
    """Ask the kernel to stop this process when the parent's thread that started it ends.

    In a container the parent may be number 1: only another one means that ours is gone.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


async def _url_of(process: subprocess.Popen[bytes], folder: Path) -> str:
    """The address that the server wrote down once it listens."""
    deadline = asyncio.get_running_loop().time() + _READY_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if process.poll() is not None:
            break
        if url := _written_url(folder):
            return url
        await asyncio.sleep(0.01)
    raise SettingsError(f"The nats-server did not start; {folder}/nats.log says why.")


def _written_url(folder: Path) -> str | None:
    for file in (folder / "ports").glob("*.ports"):
        with contextlib.suppress(OSError, json.JSONDecodeError, KeyError, IndexError):
            return str(json.loads(file.read_text())["nats"][0])
    return None


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
