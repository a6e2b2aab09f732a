"""What single parts cost on this machine when nothing stands around them."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.scaling.costs import Machine, Picture, Stage
from models.recipe import Recipe, Resize, Webp, thumbnails
from pipeline import engine
from pipeline.mezzanine import mezzanine_of

_ASKED: Final = Recipe(resize=Resize(width=1200), output=Webp())
_TIMES: Final = 3
_BURN_SECONDS: Final = 3.0
_ROOT: Final = Path(__file__).parents[2]


def pictures(files: list[Path]) -> tuple[Picture, ...]:
    """What the engine spends on an upload of each; in seconds of a core."""
    engine.prepare()
    return tuple(map(_picture, files))


def _picture(file: Path) -> Picture:
    probe = engine.probe(file)
    recipes = [*thumbnails(None), _ASKED]
    recipes += [copy] if (copy := mezzanine_of(probe, _ASKED)) else []
    tries = [tuple(_stages(file, recipes)) for _ in range(_TIMES)]
    tries.sort(key=lambda stages: sum(stage.seconds for stage in stages))
    return Picture(
        name=file.stem,
        size=file.stat().st_size,
        megapixels=probe.width * probe.height / 1e6,
        stages=tries[len(tries) // 2],
    )


def _stages(file: Path, recipes: list[Recipe]) -> Iterator[Stage]:
    clock = time.process_time  # libvips works in threads of its own
    began = clock()
    for picture, numbers in engine.pictures(file, recipes):
        developed, encodings = clock(), []
        for number in numbers:
            before = clock()
            engine.encode(picture, recipes[number].output)
            encodings.append(clock() - before)
        yield Stage(developing=developed - began, encodings=tuple(encodings))
        began = clock()


def machine(file: Path) -> Machine:
    """Its cores, what they are worth together, and how long its disk takes for a sync."""
    cores = os.cpu_count() or 1
    powers = [_rate(file, cores) / _rate(file, 1) for _ in range(_TIMES)]
    return Machine(cores=cores, power=min(cores, max(1.0, median(powers))), fsync=_fsync())


def _rate(file: Path, processes: int) -> float:
    """Renders by so many processes at once, while each has had a core for a second."""
    command = [sys.executable, "-m", "benchmarks.scaling.bare", str(file)]
    burning = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
        for _ in range(processes)
    ]
    return sum(float(one.communicate()[0]) for one in burning)


def burn(file: Path) -> float:
    """Renders per second of a core by this process, once it is warm."""
    os.nice(7)
    engine.prepare()
    list(engine.render(file, [_ASKED]))
    began, done = time.process_time(), 0
    while time.process_time() - began < _BURN_SECONDS:
        list(engine.render(file, [_ASKED]))
        done += 1
    return done / (time.process_time() - began)


def _fsync() -> float:
    """Seconds to have four kilobytes on the disk."""
    took = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(40):
            file.write(b"\0" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took)


if __name__ == "__main__":
    print(burn(Path(sys.argv[1])))
