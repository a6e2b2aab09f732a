"""Everything that is measured, one system after the other; a second one would be in the way."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks.scaling import bare, ceilings
from benchmarks.scaling.client import body_of
from benchmarks.scaling.clustered import clustered, with_pipelines
from benchmarks.scaling.costs import Costs, Edge, Idle, Load, Run
from benchmarks.scaling.embedded import System, embedded
from benchmarks.scaling.hits import hits, misses
from benchmarks.scaling.metronome import Metronome, metronome
from benchmarks.scaling.traffic import idle, run
from benchmarks.subjects import varied

_SUBJECTS: Final = 6
_SIZES: Final = (20, 200)
_BUSY: Final = (0.4, 0.65)
"""Arrivals, as parts of what the system can take."""


class Size(NamedTuple):
    """How many uploads a run has: with one client, and with several."""

    few: int
    many: int


LONG: Final = Size(18, 48)
SHORT: Final = Size(6, 16)


@dataclass
class Notes:
    """What is written down on the way."""

    metronome: Metronome
    pace: float
    """Of the cores when single parts were measured."""
    runs: list[Run] = field(default_factory=list)
    idle: dict[str, Idle] = field(default_factory=dict)
    miss: dict[str, float] = field(default_factory=dict)
    ceilings: dict[str, float] = field(default_factory=dict)


def measure(size: Size) -> Costs:
    """All of it, in about six minutes on two quiet cores when it is long."""
    with tempfile.TemporaryDirectory() as folder:
        files = varied(Path(folder))[:_SUBJECTS]
        bodies = [body_of(file.read_bytes(), file.name) for file in files]
        _say("what the engine, the cores and the disk can do")
        with metronome() as beats:
            began = time.perf_counter()
            pictures = bare.pictures(files)
            notes = Notes(beats, beats.pace(began, time.perf_counter()))
            machine = bare.machine(files[0])
            _embedded(notes, bodies, size)
            _cluster(notes, bodies, size)
    _say("hits of the edge")
    return Costs(
        machine=machine,
        pictures=pictures,
        runs=tuple(notes.runs),
        idle=notes.idle,
        edge=Edge(hits=tuple(map(hits, _SIZES)), miss=notes.miss),
        ceilings=notes.ceilings,
    )


def _embedded(notes: Notes, bodies: Sequence[bytes], size: Size) -> None:
    with embedded() as system:
        for clients, uploads in ((1, size.few), (4, size.many), (8, size.many)):
            full = _run(notes, system, Load(uploads=uploads, clients=clients), bodies)
        for seed, part in enumerate(_BUSY, 2):
            # Who comes when he likes is seldom one of the last tenth: it takes more of them.
            load = Load(uploads=2 * size.many, rate=part * full.per_second, seed=seed)
            _run(notes, system, load, bodies)
        notes.ceilings |= asyncio.run(ceilings.measured(system))


def _cluster(notes: Notes, bodies: Sequence[bytes], size: Size) -> None:
    with clustered() as made:
        for pipelines, children in ((1, 1), (2, 1), (2, 2)):
            with with_pipelines(made, pipelines, children) as system:
                _run(notes, system, Load(uploads=size.many, clients=8), bodies)
        with with_pipelines(made, 1, 2) as system:
            for clients, uploads in ((1, size.few), (8, size.many)):
                _run(notes, system, Load(uploads=uploads, clients=clients), bodies)
            notes.miss |= misses(system)
            notes.ceilings |= asyncio.run(ceilings.measured(system))


def _run(notes: Notes, system: System, load: Load, bodies: Sequence[bytes]) -> Run:
    name = system.shape.system
    if name not in notes.idle:
        notes.idle[name] = asyncio.run(idle(system))
    began = time.perf_counter()
    made = asyncio.run(run(system, load, bodies, notes.idle[name]))
    pace = notes.metronome.pace(began, time.perf_counter()) / notes.pace
    made = msgspec.structs.replace(made, pace=pace)
    _say(f"{made.shape}, {made.load}: {made.per_second:.2f} uploads/s at a pace of {made.pace:.2f}")
    notes.runs.append(made)
    return made


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
