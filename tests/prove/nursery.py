"""Restarts without the price of imports: a process that has loaded the product forks each life.

Loading modules is most of what a start costs a processor, and the proof starts many hundred times.
A life begins here as `python -m tests.prove.armed` would begin it: with its own arguments,
environment, session and log, and with nothing open and nothing running but what that had, too.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import msgspec

from models.wire import Wire
from tests.prove import armed

_PR_SET_PDEATHSIG = 1
_MOST_BYTES = 1 << 18

# What a role imports until it serves; not the engine, which only render children may load.
_LOADED = (
    *("gateway.cli", "gateway.run", "gateway.role", "pipeline.role", "cdn_edge.role"),
    *("litestar.plugins.pydantic", "litestar.exceptions.responses", "pygments.lexers.agile"),
    *("pygments.formatters.html", "anyio.streams.memory"),
)


class Life(Wire, frozen=True):
    """A process that is wanted: what `tests.prove.armed` is told, and where it writes."""

    command: list[str]
    environment: dict[str, str]
    log: str


_read: Callable[[bytes], Life | int] = msgspec.json.Decoder(Life | int).decode


def main() -> None:
    """Load, say so, and fork whatever the line asks for. In a child: live."""
    for name in _LOADED:
        import_module(name)
    gc.collect()
    gc.freeze()  # a child that collects garbage would copy every page
    with socket.socket(fileno=int(sys.argv[1])) as line:
        line.send(b"0")
        nursery = os.getpid()
        life = _next_life(line)
    if life:
        _become(life, nursery)
        armed.main()


def _next_life(line: socket.socket) -> Life | None:
    """In a child, the life that is its own; None when nobody wants another.

    Whoever asks with a number is told how the child of that number ended.
    """
    while data := line.recv(_MOST_BYTES):
        asked = _read(data)
        if isinstance(asked, int):
            answer = os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1])
        else:
            _is_fit_to_fork(line)
            answer = os.fork()
            if not answer:
                return asked
        line.send(b"%d" % answer)
    return None


def _is_fit_to_fork(line: socket.socket) -> None:
    """No thread, of Python's or of a library's, and no connection but ours may exist twice."""
    assert threading.active_count() == 1
    assert len([*Path("/proc/self/task").iterdir()]) == 1
    files = [one for one in [*Path("/proc/self/fd").iterdir()] if int(one.name) > 2]
    assert [one.name for one in files if one.exists()] == [str(line.fileno())]


def _become(life: Life, nursery: int) -> None:
    """What an exec would have made of this process. Signals and random state are as at a start:
    nobody has touched the ones, and Python sows the other anew after a fork.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != nursery:
        os._exit(1)
    os.setsid()
    os.chdir(Path(life.log).parent)
    with Path(life.log).open("ab") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    os.environ.clear()
    os.environ.update(life.environment)
    sys.argv = [armed.__file__, *life.command]


if __name__ == "__main__":
    main()
