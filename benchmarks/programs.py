"""Programs that are measured: started on a port, gone at the end, and what they cost."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SESSION, _UTIME, _STIME, _RSS = 3, 11, 12, 21  # in /proc/pid/stat, counted behind the name


class NotStarted(Exception):
    """A program that does not listen."""


@contextlib.contextmanager
def running(*command: str | Path, port: int, **environment: str) -> Iterator[int]:
    """The session of a server that listens on this port and is gone at the end."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=env, cwd=ROOT, start_new_session=True, stdout=quiet, stderr=quiet
    ) as server:
        try:
            wait_for(port, server)
            yield server.pid
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def wait_for(port: int, server: "subprocess.Popen[bytes]", seconds: float = 30) -> None:
    """Until something listens there. Raises NotStarted."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise NotStarted(str(server.args))


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(session: int) -> float:
    """User and system time of all processes of a session: fair also on a busy machine."""
    return sum(int(row[_UTIME]) + int(row[_STIME]) for row in _processes(session)) / _TICKS


def processor_ms(pid: int) -> float:
    """User and system time of one process, in milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS * 1e3


def megabytes(session: int) -> float:
    """Resident memory of all processes of a session."""
    return sum(int(row[_RSS]) for row in _processes(session)) * _PAGE / 1e6


def _processes(session: int) -> Iterator[list[str]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[_SESSION]) == session:
                yield fields
