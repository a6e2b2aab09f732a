"""One spawned child and the line to it.

Pebble's ProcessPool was the first choice and was tried at its weak points: killing an idle child
breaks the whole pool for good ("All workers expired"); what a child returns is unpickled in the
parent, so a decoder taken over by a file would own the parent too; all children share one pipe and
one lock, the parent's environment, and no limit on what they keep. Hence this small one: a socket,
a pidfd and a process group for each child, and JSON between.
"""

import asyncio
import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from models.errors import (
    RenderCrashed,
    RenderOutOfMemory,
    RenderTimedOut,
    Unavailable,
    revived,
)
from pipeline.jobs import Begun, Birth, Failed, Finished, Job, Reply, read_reply, write
from pipeline.limits import Limits

log = structlog.get_logger(__name__)


class NeverBegun(Exception):
    """The child was dead before it had the job: another one can do it."""


class KilledFromOutside(Exception):
    """The child was killed at the job, by an operator or the kernel: that may say nothing of it."""


Reason = Literal[
    "crashed", "killed", "timed out", "out of memory", "abandoned", "retired", "closed"
]

_BIRTH_SECONDS = 30
_LINE_BYTES = 1 << 20
_MOST_SAID = 2000
_DYING_SECONDS = 1.0
_OUT_OF_TIME = (signal.SIGXCPU, signal.SIGALRM)

_CAUSES: dict[Reason | None, type[Exception]] = {
    "killed": KilledFromOutside,
    "timed out": RenderTimedOut,
    "out of memory": RenderOutOfMemory,
    "closed": Unavailable,
}

# glibc keeps what it freed in one heap per thread, and a child grows for ever; with few heaps and
# a fixed threshold every pixel buffer is mapped, and goes back to the system when it is freed.
_FIXED_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "8388608",
    "VIPS_CONCURRENCY": "1",
}


def environment(home: Path, parent: Mapping[str, str]) -> dict[str, str]:
    """All that a child sees of the parent's environment; no keys and no addresses."""
    kept = {name: parent[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in parent}
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    return kept | _FIXED_ENVIRONMENT | {"HOME": str(home), "PYTHONPATH": paths}


class Child:
    """A process that does one job at a time, until it is killed."""

    def __init__(self, process: subprocess.Popen[bytes], diary: Path) -> None:
        self.pid = process.pid
        self.begun = False
        self.jobs = 0
        self.resident = 0
        self.killed: Reason | None = None
        self.last_words = ""
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = process
        self._diary = diary
        self._outbox: asyncio.StreamWriter | None = None
        self._pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._bury)

    @property
    def alive(self) -> bool:
        """Whether it may be given a job; asks the system, which knows before the event loop."""
        return self.killed is None and not self.gone.done() and not self._ended()

    async def listen(self, line: socket.socket, limits: Limits) -> None:
        """Open the line and wait until the child is ready for its first job."""
        line.setblocking(False)  # noqa: FBT003  # the standard library's own signature
        self._inbox, self._outbox = await asyncio.open_unix_connection(sock=line, limit=_LINE_BYTES)
        await self._send(Birth(limits=limits))
        async with asyncio.timeout(_BIRTH_SECONDS):
            await self._hear()

    async def ask(self, job: Job, seconds: float, heard: Callable[[Reply], None]) -> None:
        """Have `job` done, and give its replies to `heard`; typed errors, or one of the above.

        However this ends but well or with the child's own word, the child is dead after it: nobody
        is left to write into the job's folder.
        """
        why: Reason | None = "abandoned"
        self.begun = False
        try:
            async with asyncio.timeout(seconds):
                await self._send(job)
                last = await self._follow(heard)
            why = None
        except TimeoutError:
            why = "timed out"
            raise RenderTimedOut from None
        except (ValueError, msgspec.MsgspecError):
            why = "crashed"
            self.kill(why)  # out of its mind
            raise await self._autopsy() from None
        except (OSError, EOFError):
            why = "crashed"
            raise await self._autopsy() from None
        finally:
            if why:
                self.kill(why)
                await asyncio.wait([self.gone])
                self._tell(self.killed or why, self.last_words)
        self._settle(last)

    async def _follow(self, heard: Callable[[Reply], None]) -> Finished | Failed:
        while not isinstance(reply := await self._hear(), Finished | Failed):
            if isinstance(reply, Begun):
                self.begun = True
            else:
                heard(reply)
        self.begun = False
        heard(reply)
        return reply

    def kill(self, why: Reason) -> None:
        """End it now, whatever it does."""
        if self.killed is None and not self.gone.done():
            self.killed = why
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _settle(self, reply: Finished | Failed) -> None:
        self.jobs += 1
        if isinstance(reply, Finished):
            self.resident = reply.resident
            return
        error = revived(reply.code, reply.sentence, reply.problems)
        if isinstance(error, RenderCrashed | RenderOutOfMemory):
            self._tell("failed", self._written())
            self.kill("retired")  # nobody knows what state that left behind
        raise error

    def _written(self) -> str:
        """The end of what it wrote until now, or ever."""
        with contextlib.suppress(FileNotFoundError):
            return self._diary.read_text(errors="replace")[-_MOST_SAID:]
        return self.last_words

    def _tell(self, what: str, said: str) -> None:
        """It is our job that it failed at: the line has its request and its order."""
        tell = log.info if what in ("abandoned", "closed") else log.warning
        tell("a render child failed", what=what, child=self.pid, said=said)

    async def _autopsy(self) -> Exception:
        """The named cause of a death; who hung up is given a moment to die of his own."""
        await asyncio.wait([self.gone], timeout=_DYING_SECONDS)
        self.kill("crashed")
        await self.gone
        if not self.begun:
            return NeverBegun()
        return _CAUSES.get(self.killed, RenderCrashed)()

    async def _send(self, message: Birth | Job) -> None:
        assert self._outbox  # noqa: S101  # opened by `listen` before anybody asks
        self._outbox.write(write(message) + b"\n")
        await self._outbox.drain()

    async def _hear(self) -> Reply:
        line = await self._inbox.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        reply: Reply = read_reply(line)
        return reply

    def _ended(self) -> bool:
        asked = select.poll()  # not select(), which knows no file above number 1023
        asked.register(self._pidfd, select.POLLIN)
        return bool(asked.poll(0))

    def _bury(self) -> None:
        """The process has ended: take its body from the system and tell who waits."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        if self._outbox:
            self._outbox.close()
        self.last_words = self._written()
        self._diary.unlink()
        code = self._process.wait()
        self.killed = self._reason(code)
        self.gone.set_result(code)

    def _reason(self, code: int) -> Reason:
        if -code in _OUT_OF_TIME:
            return "timed out"
        if self.killed in (None, "crashed") and "allocat" in self.last_words:
            return "out of memory"  # glib, librsvg and libaom say so and abort
        if self.killed is None and code == -signal.SIGKILL:
            return "killed"
        return self.killed or "crashed"


async def bear(home: Path, limits: Limits) -> Child:
    """Spawn a child that is ready for a job."""
    ours, theirs = socket.socketpair()
    diary = home / f"{secrets.token_hex(8)}.diary"
    with theirs:
        child = Child(_launch(theirs, home, diary), diary)
    try:
        await child.listen(ours, limits)
    except (OSError, EOFError) as error:
        child.kill("crashed")
        await child.gone
        raise ChildProcessError(f"a render child did not start: {child.last_words}") from error
    except BaseException:
        child.kill("closed")
        await asyncio.shield(child.gone)
        raise
    return child


def _launch(line: socket.socket, home: Path, diary: Path) -> subprocess.Popen[bytes]:
    """Start the process from the thread of the event loop: it dies when this thread does."""
    module = ["-s", "-P", "-m", "pipeline.child", str(line.fileno()), str(os.getpid())]
    with diary.open("wb") as words:
        return subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, *module],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[line.fileno()],
            env=environment(home, os.environ),
            cwd=home,
            start_new_session=True,  # Ctrl-C is for the parent: a child finishes what it does
        )
