"""Everything that is measured, one system after the other; a second one would be in the way."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.scaling import bare, ceilings
from benchmarks.scaling.clustered import clustered, with_pipelines
from benchmarks.scaling.costs import Costs, Edge, Load, Run
from benchmarks.scaling.embedded import embedded
from benchmarks.scaling.hits import hits, misses
from benchmarks.scaling.traffic import body_of, run
from benchmarks.subjects import varied

_SUBJECTS: Final = 6
_SIZES: Final = (20, 200)
_BUSY: Final = (0.5, 0.8)
"""Arrivals, as parts of what the system can take."""


class Size(NamedTuple):
    """How many uploads a run has: with one client, and with several."""

    few: int
    many: int


LONG: Final = Size(18, 48)
SHORT: Final = Size(6, 16)


def measure(size: Size) -> Costs:
    """All of it, in about five minutes on two quiet cores when it is long."""
    with tempfile.TemporaryDirectory() as folder:
        files = varied(Path(folder))[:_SUBJECTS]
        bodies = [body_of(file) for file in files]
        _say("what the engine, the cores and the disk can do")
        pictures, machine = bare.pictures(files), bare.machine(files[0])
    limits, runs = dict[str, float](), []
    runs += _embedded(bodies, size, limits)
    miss = dict[str, float]()
    runs += _cluster(bodies, size, limits, miss)
    _say("hits of the edge")
    edge = Edge(hits=tuple(map(hits, _SIZES)), miss=miss)
    return Costs(machine=machine, pictures=pictures, runs=tuple(runs), edge=edge, ceilings=limits)


def _embedded(bodies: Sequence[bytes], size: Size, limits: dict[str, float]) -> Iterator[Run]:
    with embedded() as system:
        for load in (Load(uploads=size.few, clients=1), Load(uploads=size.many, clients=4)):
            yield _told(asyncio.run(run(system, load, bodies)))
        full = _told(asyncio.run(run(system, Load(uploads=size.many, clients=8), bodies)))
        yield full
        for seed, part in enumerate(_BUSY, 2):
            load = Load(uploads=size.many, rate=part * full.per_second, seed=seed)
            yield _told(asyncio.run(run(system, load, bodies)))
        limits |= asyncio.run(ceilings.measured(system))


def _cluster(
    bodies: Sequence[bytes], size: Size, limits: dict[str, float], miss: dict[str, float]
) -> Iterator[Run]:
    with clustered() as made:
        for pipelines, children in ((1, 1), (2, 1), (2, 2), (1, 2)):
            with with_pipelines(made, pipelines, children) as system:
                load = Load(uploads=size.many, clients=8)
                yield _told(asyncio.run(run(system, load, bodies)))
                if (pipelines, children) == (1, 2):
                    load = Load(uploads=size.few, clients=1)
                    yield _told(asyncio.run(run(system, load, bodies)))
                    miss |= misses(system)
                    limits |= asyncio.run(ceilings.measured(system))


def _told(run: Run) -> Run:
    _say(f"{run.shape}, {run.load}: {run.per_second:.2f} uploads/s")
    return run


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
