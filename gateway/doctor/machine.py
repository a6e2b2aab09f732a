"""The machine: disk, files, shared memory, memory."""

import asyncio
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.doctor.finding import Finding, Patient, ok, skipped, warning, wrong
from gateway.ports import refuse_taken_ports
from models.settings import Settings, SettingsError

GIGABYTE = 10**9
_LEAST_INODES = 10_000
_FEW_FILES = 1024
_ENOUGH_FILES = 4096
_SLOW_SYNC = 0.05
_SHM = Path("/dev/shm")  # noqa: S108  only its size is looked at
_SHM_ROOM = 1 << 30
_VOLATILE = ("tmpfs", "ramfs")
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "glusterfs", "ceph")


async def disk(patient: Patient) -> list[Finding]:
    """Room, inodes and kind of the file system under the data folder, and how fast it syncs."""
    return await asyncio.to_thread(lambda: list(_disk(patient)))


def _disk(patient: Patient) -> Iterator[Finding]:
    place = _there(patient.data.resolve())
    if not os.access(place, os.W_OK | os.X_OK):
        yield wrong("disk", f"{place} cannot be written by this user", "choose another --data")
        return
    yield _room(place, patient.settings)
    yield _inodes(place)
    yield _kind(place, patient)
    if patient.data.is_dir():
        yield _sync(patient.data)


def _there(folder: Path) -> Path:
    """The folder, or the one above it that is there already."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def _room(place: Path, settings: Settings) -> Finding:
    free = shutil.disk_usage(place).free
    cache = settings.data / "edge-cache"
    used = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    wanted = max(0, settings.edge_disk_bytes - used)
    says = f"{free / GIGABYTE:.1f} GB are free at {place}"
    if free < GIGABYTE:
        return wrong("disk", says, "make room: uploads fail when there is none")
    if free < wanted + GIGABYTE:
        says += f", and the edge's cache may take {wanted / GIGABYTE:.1f} GB more"
        return warning("disk", says, "make room, or set CALOTYPE_EDGE_DISK_BYTES lower")
    return ok("disk", says)


def _inodes(place: Path) -> Finding:
    found = os.statvfs(place)
    if not found.f_files:
        return ok("inodes", "this file system makes them as needed")
    says = f"{found.f_favail:,} more files can be made at {place}"
    if found.f_favail < _LEAST_INODES:
        return wrong("inodes", says, "delete files, or move the folder: a variant is a file")
    return ok("inodes", says)


def _kind(place: Path, patient: Patient) -> Finding:
    kind = kind_of(place, Path("/proc/self/mountinfo").read_text())
    if patient.keeps_data and kind in _VOLATILE:
        says = f"{place} is in memory ({kind}): all of it is gone after a restart of the machine"
        return wrong("file system", says, "choose a --data folder on a disk")
    if not patient.settings.database_url and kind in _REMOTE:
        says = f"{place} is on another machine ({kind}): SQLite is not safe there"
        return wrong("file system", says, "choose a local --data folder, or use Postgres")
    return ok("file system", kind or "unknown")


def kind_of(place: Path, mounts: str) -> str:
    """The kind of file system that a path is on, as the kernel lists the mounts."""
    best, kind = "", ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split(" ")[4].replace("\\040", " ")
        if place.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, right.split(" ")[0]
    return kind


def _sync(folder: Path) -> Finding:
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(5):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    middle = statistics.median(took)
    says = f"a write is safe on the disk after {1000 * middle:.1f} ms"
    if middle > _SLOW_SYNC:
        return warning("sync", says, "uploads wait for several of these: use a faster disk")
    return ok("sync", says)


async def limits(patient: Patient) -> list[Finding]:
    """Open files, shared memory, memory."""
    return [_files(), _shared_memory(), _memory(patient.settings)]


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "any number of" if soft == resource.RLIM_INFINITY else f"{soft:,}"
    says = f"a process may open {most} files and connections here"
    todo = f"raise it where it is started: 'ulimit -n {max(hard, 65_536)}', or LimitNOFILE"
    if soft != resource.RLIM_INFINITY and soft < _ENOUGH_FILES:
        return (wrong if soft < _FEW_FILES else warning)("open files", says, todo)
    return ok("open files", says)


def _shared_memory() -> Finding:
    with suppress(OSError):
        free = shutil.disk_usage(_SHM).free
        says = f"{free / GIGABYTE:.1f} GB of shared memory"
        if free >= _SHM_ROOM and os.access(_SHM, os.W_OK):
            return ok("shared memory", says)
        says += ": originals are worked on in the temporary folder instead"
        return warning("shared memory", says, "give the container --shm-size=2g")
    says = f"there is no {_SHM}: originals are worked on in the temporary folder"
    return warning("shared memory", says, "give the container --shm-size=2g")


def _memory(settings: Settings) -> Finding:
    children = settings.children or os.cpu_count() or 1
    wanted = children * settings.render_memory_bytes + settings.edge_memory_bytes
    there = memory()
    says = (
        f"{there / GIGABYTE:.1f} GB; {children} render children and the edge's cache may take "
        f"{wanted / GIGABYTE:.1f} GB"
    )
    if there and wanted > there:
        todo = "set CALOTYPE_CHILDREN or CALOTYPE_RENDER_MEMORY_BYTES lower"
        return warning("memory", says, todo)
    return ok("memory", says)


def memory() -> int:
    """What this machine or container has; 0 when nobody says."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found.append(int((Path("/sys/fs/cgroup") / file).read_text()))
    return max(0, min(found))


async def ports(patient: Patient) -> list[Finding]:
    """Whether a start would find its ports free."""
    settings = patient.settings
    if patient.running or settings.nats_url:
        return [skipped("ports", "in use by the running system, if it is on this machine")]
    chosen = [port for port in (settings.port, settings.edge_port) if port]
    try:
        if len(chosen) == 2:  # noqa: PLR2004  both: 0 takes a free one
            refuse_taken_ports(settings)
    except SettingsError as error:
        return [wrong("ports", str(error))]
    return [ok("ports", f"{' and '.join(map(str, chosen))} are free")]
