"""How fast the cores are while something else is measured: others use them, too.

A process of its own does the same small piece of work every second, whatever goes on beside it, and
tells what processor time it took. That, and what the hypervisor took away from all of us, is
the pace of that moment.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple, TextIO

import pyvips

_PAUSE: Final = 0.8
_SIDE: Final = 640
_ROOT: Final = Path(__file__).parents[2]
# In the first line of /proc/stat: user, nice, system, irq and softirq; and steal.
_BUSY: Final = (1, 2, 3, 6, 7)
_STOLEN: Final = 8


class Beat(NamedTuple):
    """When, the processor seconds of the piece, and ticks of all cores until then."""

    at: float
    cpu: float
    busy: int
    stolen: int


class Metronome:
    """Says how fast the cores were between two moments of time.perf_counter, as a rate."""

    def __init__(self, told: TextIO) -> None:
        self._told = told

    def pace(self, began: float, ended: float) -> float:
        """Pieces of work per second of a core; LookupError when none was done then."""
        self._told.seek(0)
        beats = [_read(line) for line in self._told if line.endswith("\n")]
        within = [beat for beat in beats if began <= beat.at <= ended]
        if not within:
            raise LookupError("the metronome stood still")
        return _kept(within) * fmean(1 / beat.cpu for beat in within)


def _kept(beats: list[Beat]) -> float:
    """Which part of what the cores did was not taken away."""
    busy, stolen = (beats[-1].busy - beats[0].busy, beats[-1].stolen - beats[0].stolen)
    return busy / (busy + stolen) if busy else 1.0


def _read(line: str) -> Beat:
    at, cpu, busy, stolen = line.split()
    return Beat(float(at), float(cpu), int(busy), int(stolen))


@contextlib.contextmanager
def metronome() -> Iterator[Metronome]:
    """One that runs while the block does."""
    with tempfile.TemporaryFile("a+") as told:
        command = [sys.executable, "-m", "benchmarks.scaling.metronome"]
        with subprocess.Popen(command, stdout=told, cwd=_ROOT) as process:
            try:
                yield Metronome(told)
            finally:
                process.kill()


def _beat() -> None:
    """For ever."""
    pixels = pyvips.Image.gaussnoise(_SIDE, _SIDE, sigma=40, seed=1).gaussblur(2).cast("uchar")
    picture = pixels.copy_memory()
    while True:  # what was at rest is slow the first time
        _work(picture)
        before = time.process_time()
        _work(picture)
        cpu = time.process_time() - before
        print(time.perf_counter(), cpu, *_ticks(), flush=True)
        time.sleep(_PAUSE)


def _work(picture: pyvips.Image) -> None:
    picture.resize(0.7).webpsave_buffer(effort=2)


def _ticks() -> tuple[int, int]:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return sum(int(fields[at]) for at in _BUSY), int(fields[_STOLEN])


if __name__ == "__main__":
    _beat()
