"""Releases with known faults: what is installed is compared with what is needed."""

import asyncio
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import pysqlite3.dbapi2

from gateway.doctor.finding import Finding, Patient, ok, wrong
from gateway.nats_server import binary
from models.database import OLDEST_SQLITE
from models.settings import SettingsError
from pipeline.bus_proof import OLDEST as OLDEST_NATS

_SECONDS = 20.0
_REINSTALL = "reinstall calotype: it brings a newer one"


class Floor(NamedTuple):
    """The oldest release that will do, and what is wrong with those before."""

    name: str
    oldest: tuple[int, ...]
    fault: str


LIBVIPS = Floor("libvips", (8, 18, 7), "pictures by strangers can crash or overrun it")
FLOORS = (
    Floor("nats-py", (2, 16), "it can lose its connection for ever"),
    Floor("granian", (2, 7, 4), "one header of a stranger ends it (CVE-2026-42544)"),
    Floor("litestar", (2, 20), "it mixes up what it keeps (CVE-2026-25480)"),
)
SQLITE = Floor("SQLite", OLDEST_SQLITE, "a checkpoint that meets a write corrupts the database")
NATS = Floor("nats-server", OLDEST_NATS, "it loses messages that it has acknowledged")


async def installed(patient: Patient) -> list[Finding]:
    """The libraries of this install."""
    found = [_judged(floor, _version_of(floor.name)) for floor in FLOORS]
    found.append(_judged(SQLITE, pysqlite3.dbapi2.sqlite_version))
    found.append(_judged(LIBVIPS, await asyncio.to_thread(_libvips)))
    if patient.settings.embedded_bus:
        found.append(_judged(NATS, await asyncio.to_thread(_nats_server)))
    return found


def judged_nats(release: str) -> Finding:
    """The server that we are connected to."""
    return _judged(NATS, release)


def _judged(floor: Floor, release: str) -> Finding:
    if not release[:1].isdigit():
        return wrong(floor.name, release, _REINSTALL)
    if numbers(release) < floor.oldest:
        needed = ".".join(map(str, floor.oldest))
        says = f"{release} is older than {needed}: {floor.fault}"
        return wrong(floor.name, says, _REINSTALL if floor is not NATS else "upgrade it")
    return ok(floor.name, release)


def numbers(release: str) -> tuple[int, ...]:
    """The numbers that a release begins with: 2.15.1-rc.1 is (2, 15, 1)."""
    found = re.match(r"\d+(?:\.\d+)*", release)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "it is not installed"


def _libvips() -> str:
    """Asked in a process of its own: no parent of strangers' pictures loads it."""
    return _said([sys.executable, "-m", "pipeline.engine_version"]) or "libvips cannot be loaded"


def _nats_server() -> str:
    try:
        said = _said([binary(), "--version"])
    except SettingsError as error:
        return str(error)
    return said.rpartition("v")[2] or "it cannot be run"


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603  of this install
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
