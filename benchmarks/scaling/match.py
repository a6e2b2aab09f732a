"""Whether the simulation may be believed: what it says of the machine that was measured.

It is fed with processor seconds: of single parts, and of an upload, in every run of a system; and
with how long one client waits when nobody else is about. How many uploads a second several clients
get through, how long each takes, what arrivals do and several pipelines, it has to foretell.
"""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Final, NamedTuple

import msgspec
import simpy

from benchmarks.scaling.cores import Cores
from benchmarks.scaling.costs import KINDS, Costs, Load, Run, Shape
from benchmarks.scaling.drive import Outcome, percentile, simulate
from benchmarks.scaling.house import Demand, Plant, Plants

MOST: Final = 0.15
JUDGED: Final = ("throughput", "p50", "p90")
"""Not p99: of fifty uploads that is a single one, and says what hit that."""
CALIBRATED: Final = {"embedded": Shape(system="embedded"), "cluster": Shape(system="cluster")}


class Match(NamedTuple):
    """One run beside its simulation."""

    run: Run
    foretold: Outcome

    @property
    def errors(self) -> dict[str, float]:
        """By how much the simulation is off, of what was measured."""
        return {
            "throughput": self.foretold.per_second / self.run.per_second - 1,
            **{f"p{percent}": self._off(percent) for percent in (50, 90, 99)},
        }

    def _off(self, percent: int) -> float:
        said, seen = self.foretold.latencies, self.run.latencies
        return percentile(said, percent) / percentile(seen, percent) - 1

    @property
    def worst(self) -> float:
        """The largest of those that are judged."""
        return max(abs(self.errors[name]) for name in JUDGED)


def matches(costs: Costs) -> Iterator[Match]:
    """Every run but those that the simulation was fed with."""
    for system in sorted({run.shape.system for run in costs.runs}):
        demand = demand_of(costs, system)
        for run in costs.runs_of(system):
            if run.load.clients != 1:
                plant = on_one_machine(costs, run.shape)
                load = msgspec.structs.replace(run.load, rate=run.load.rate / run.pace)
                outcome, _ = simulate(plant, demand, costs.pictures, load)
                yield Match(run, outcome.at(run.pace))


def demand_of(costs: Costs, system: str) -> Demand:
    """What one upload asks of a system's parts.

    Waiting is what no processor was busy with while there was one client at a time.
    """
    shape = CALIBRATED[system]
    run = costs.run(shape, clients=1)
    busy = _busy(costs, [run])
    load = Load(uploads=len(run.latencies), clients=1, seed=run.load.seed)
    outcome, _ = simulate(on_one_machine(costs, shape), busy, costs.pictures, load)
    idle = fmean(run.latencies) * run.pace - fmean(outcome.latencies)
    return msgspec.structs.replace(_busy(costs, costs.runs_of(system)), waiting=max(0.0, idle))


def _busy(costs: Costs, runs: Sequence[Run]) -> Demand:
    """What processors spend on an upload in these runs of one system."""
    engine, system = fmean(picture.seconds for picture in costs.pictures), runs[0].shape.system
    uploads = sum(len(run.latencies) for run in runs)
    cpu = {kind: sum(run.cpu.get(kind, 0.0) * run.pace for run in runs) / uploads for kind in KINDS}
    if system == "embedded":
        part = _gateways_part(costs)
        cpu |= {"gateway": cpu["calotype"] * part, "pipeline": cpu["calotype"] * (1 - part)}
    return Demand(
        client=cpu["client"],
        gateway=cpu["gateway"],
        pipeline=cpu["pipeline"],
        nats=cpu["nats"],
        database=cpu["postgres"],
        objects=cpu["s3"],
        commit=1 / costs.ceilings[f"{system}: commits on one account"],
        publish=1 / costs.ceilings[f"{system}: messages of one stream"],
        children=cpu["children"] / engine,
    )


def _gateways_part(costs: Costs) -> float:
    """Of what both together spend: one process does not say which half of it did what."""
    runs = costs.runs_of("cluster")
    gateway = sum(run.cpu.get("gateway", 0.0) for run in runs)
    pipeline = sum(run.cpu.get("pipeline", 0.0) for run in runs)
    return gateway / (gateway + pipeline) if gateway + pipeline else 0.5


def on_one_machine(costs: Costs, shape: Shape) -> Plants:
    """Everything on the cores that were measured on, clients too."""

    def built(env: simpy.Environment) -> Plant:
        idle = sum(costs.idle[shape.system].cpu.values())
        cores = Cores(env, costs.machine.cores, costs.machine.power - idle)
        return Plant(
            client=cores,
            gateways=[cores],
            pipelines=[(cores, shape.children)] * shape.pipelines,
            nats=cores,
            database=cores,
            objects=cores,
        )

    return built
