"""The harness's end of the nursery: lives are asked for, watched and ended like subprocesses."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import msgspec

from tests.prove.nursery import Life

_OWN = ("CALOTYPE_", "PROVE_")
_PATIENCE = 120.0


class Lasting(Protocol):
    """What is used of a process; subprocess.Popen has it, too."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """How it ended; None while it lives."""

    def wait(self) -> int:
        """The same, when it has."""

    def send_signal(self, sig: int) -> None:
        """Nothing happens when it is dead."""


class Born:
    """A life of the nursery's. Its number stays its own until somebody has seen its end."""

    def __init__(self, pid: int, nursery: "Nursery") -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery
        self._alive = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """How it ended, a signal negative; None while it lives."""
        if self.returncode is None and self._has_ended(0):
            self.returncode = self._nursery.told(self.pid)
            os.close(self._alive)
        return self.returncode

    def wait(self) -> int:
        """How it ended, when it has."""
        while (code := self.poll()) is None:
            self._has_ended(_PATIENCE)
        return code

    def send_signal(self, sig: int) -> None:
        """Nothing happens when it is dead."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._alive, sig)

    def _has_ended(self, seconds: float) -> bool:
        return _has_something(self._alive, seconds)


class Nursery:
    """Grows when the first life is asked of it, and bears none before it has grown.

    So what is never restarted costs nothing more, and first lives are those of a fresh interpreter.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._around: dict[str, str] = {}
        self._grown = False

    def bear(self, command: list[str], environment: dict[str, str], log: Path) -> Born | None:
        """A new life; None when it has to be started as the first one was."""
        around = {name: v for name, v in environment.items() if not name.startswith(_OWN)}
        if self._line is None:
            self._grow(around)
        if around != self._around or not self._is_grown():
            return None
        return Born(self.told(Life(command, environment, str(log))), self)

    def told(self, asked: Life | int) -> int:
        """The nursery's answer, a number."""
        assert self._line
        self._line.send(msgspec.json.encode(asked))
        answer = self._line.recv(64)
        assert answer, f"the nursery died, see {self._log}"
        return int(answer)

    def close(self) -> None:
        """It ends, and every life that is left with it."""
        if self._line and self._process:
            self._line.close()
            self._process.kill()
            self._process.wait()

    def _grow(self, around: dict[str, str]) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(_PATIENCE)
        self._around = around
        with theirs, self._log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.prove.nursery", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd=self._log.parent,
                env=around,
            )

    def _is_grown(self) -> bool:
        if not self._grown and self._line and _has_something(self._line.fileno(), 0):
            assert self._line.recv(64), f"the nursery died, see {self._log}"
            self._grown = True
        return self._grown


def _has_something(descriptor: int, seconds: float) -> bool:
    asked = select.poll()  # select() knows no more than 1,024 descriptors
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(seconds * 1000))
