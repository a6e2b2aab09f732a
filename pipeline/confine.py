"""What a child takes from itself before it sees a stranger's bytes. Linux only."""

import contextlib
import ctypes
import math
import os
import resource
import signal
from pathlib import Path

from pipeline.limits import Limits

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38

_NICE = 7
# Address space that is reserved and hardly touched: stacks of libvips' threads, glibc's heaps.
# Measured at 70 to 145 MiB for jobs of every format and size.
_RESERVES = 160 << 20


def die_with(parent: int) -> None:
    """Be killed when the parent's thread that spawned us ends, also when it ended just now."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def step_back() -> None:
    """Leave the processor to who answers requests: a batch job, with a fifth of the usual weight.

    Where every session is scheduled as one group, only the group's own weight counts outside it.
    """
    os.nice(_NICE)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE), encoding="ascii")


def confine(limits: Limits) -> None:
    """No core dumps, no new rights, a bound on memory and on the size of files."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, limits.file)
    _limit(resource.RLIMIT_AS, _address_space() + _RESERVES + limits.memory + limits.kept)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write over the limit is an error, not a death


def allow_job(seconds: float) -> None:
    """Bound the next job's processor time; SIGXCPU ends the child after it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def allow_step(seconds: float) -> None:
    """Bound the next step's time, to the millisecond; SIGALRM ends the child after it.

    Zero takes the bound away. The handler is the system's own, which does not wait for a decoder
    to come back to Python.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)


def resident() -> int:
    """Bytes of real memory that this process holds now."""
    return _statm()[1]


def _address_space() -> int:
    return _statm()[0]


def _statm() -> list[int]:
    with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123  # after every job: pathlib costs more than the read
        return [int(count) * resource.getpagesize() for count in pages.read().split()]


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


def _prctl(option: int, argument: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, argument, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
