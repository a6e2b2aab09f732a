"""What was measured of a system, and is fed to the simulation. Seconds, bytes, counts."""

from pathlib import Path
from typing import Final

import msgspec

from models.wire import Wire

KINDS: Final = ("client", "calotype", "gateway", "pipeline", "children", "nats", "postgres", "s3")


class Stage(Wire, frozen=True):
    """One developed picture of an order and what is encoded from it, in seconds of a core."""

    developing: float
    encodings: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """All of it by one child."""
        return self.developing + sum(self.encodings)


class Picture(Wire, frozen=True):
    """An original, and what the engine spends on an order of it."""

    name: str
    size: int
    megapixels: float
    stages: tuple[Stage, ...]

    @property
    def seconds(self) -> float:
        """A whole order by one child."""
        return sum(stage.seconds for stage in self.stages)


class Load(Wire, frozen=True):
    """So many clients who each wait for their answer, or arrivals at a rate that nobody slows."""

    uploads: int
    clients: int = 0
    rate: float = 0.0
    seed: int = 1

    def __str__(self) -> str:
        """For a table."""
        return f"{self.clients} at a time" if self.clients else f"{self.rate:.2f}/s arriving"


class Shape(Wire, frozen=True):
    """Which system: embedded in one process, or a process for each role on servers."""

    system: str
    pipelines: int = 1
    children: int = 2

    def __str__(self) -> str:
        """For a table."""
        if self.system == "embedded":
            return self.system
        return f"{self.system}, {self.pipelines} x {self.children} children"


class Idle(Wire, frozen=True):
    """What a system spends and counts in one second in which nobody asks for anything."""

    cpu: dict[str, float]
    counts: dict[str, float]


class Run(Wire, frozen=True):
    """One load on one system. CPU seconds and counts are totals, by who spent them.

    What the system spends on being there is not in them, see `Idle`. `pace` is how fast the cores
    were meanwhile, against the moment in which single parts were measured: others use them, too.
    """

    shape: Shape
    load: Load
    seconds: float
    latencies: tuple[float, ...]
    cpu: dict[str, float]
    written: dict[str, float]
    counts: dict[str, float]
    pace: float = 1.0

    @property
    def per_second(self) -> float:
        """Uploads per second."""
        return len(self.latencies) / self.seconds

    def cpu_each(self, kind: str) -> float:
        """CPU seconds of one upload, spent by this kind."""
        return self.cpu.get(kind, 0.0) / len(self.latencies)

    def count_each(self, name: str) -> float:
        """How often something happened for one upload."""
        return self.counts.get(name, 0.0) / len(self.latencies)


class Machine(Wire, frozen=True):
    """What it was measured on. `power`: how many cores all of its cores together are worth."""

    cores: int
    power: float
    fsync: float


class Hits(Wire, frozen=True):
    """A hit of the edge, by the size of its body: CPU seconds, and how many one worker answers."""

    size: int
    cpu: float
    per_second: float


class Edge(Wire, frozen=True):
    """What the edge costs: hits, and CPU seconds of one miss by who spends them."""

    hits: tuple[Hits, ...]
    miss: dict[str, float]


class Costs(Wire, frozen=True):
    """All of it. `ceilings`: what one part carries a second, whatever stands around it."""

    machine: Machine
    pictures: tuple[Picture, ...]
    runs: tuple[Run, ...]
    idle: dict[str, Idle]
    """By system."""
    edge: Edge
    ceilings: dict[str, float]

    def run(self, shape: Shape, clients: int) -> Run:
        """The run of so many clients; LookupError when it was not measured."""
        for run in self.runs:
            if run.shape == shape and run.load.clients == clients:
                return run
        raise LookupError(f"{shape} was not measured with {clients} clients")

    def runs_of(self, system: str) -> list[Run]:
        """Every run of a system."""
        return [run for run in self.runs if run.shape.system == system]


def keep(costs: Costs, file: Path) -> None:
    """Write them down."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(costs)))


def read(file: Path) -> Costs:
    """What was written down."""
    return msgspec.json.decode(file.read_bytes(), type=Costs)
