"""How much of everything a rate of uploads needs, by what one upload costs; and what gives first.

Machines are planned to be two thirds busy: queues grow fast beyond that.
"""

import math
from typing import Final, NamedTuple

import msgspec
import simpy

from benchmarks.scaling.compared import whole
from benchmarks.scaling.cores import Cores
from benchmarks.scaling.costs import Costs, Load
from benchmarks.scaling.drive import Outcome, simulate
from benchmarks.scaling.house import IN_HAND, Demand, Plant
from benchmarks.scaling.match import demand_of

RATES: Final = (10, 100, 1000)
BUSY: Final = 2 / 3
PIPELINE_CORES: Final = 8
_SIMULATED: Final = 3000


class Fleet(NamedTuple):
    """What a rate needs. Cores, but for gateways, which are processes of one core each."""

    rate: float
    gateways: int
    pipelines: int
    database: int
    nats: int
    objects: int
    accounts: int
    """So many have to share the uploads: the row of one is written one commit after another."""


class Believed(NamedTuple):
    """A fleet, and what the simulation makes of it; nothing when a queue would grow for ever."""

    fleet: Fleet
    busy: dict[str, float]
    """Part of each part's capacity that is used."""
    outcome: Outcome | None

    @property
    def first(self) -> str:
        """What is nearest to its end."""
        return max(self.busy, key=lambda name: self.busy[name])


def demand_at_work(costs: Costs) -> Demand:
    """What one upload asks of a cluster with much to do; clients are elsewhere."""
    run = whole(costs)
    engine = sum(picture.seconds for picture in costs.pictures) / len(costs.pictures)
    return msgspec.structs.replace(
        demand_of(costs, "cluster"),
        client=0.0,
        gateway=run.cpu_each("gateway"),
        pipeline=run.cpu_each("pipeline"),
        nats=run.cpu_each("nats"),
        database=run.cpu_each("postgres"),
        objects=run.cpu_each("s3"),
        children=run.cpu_each("children") / engine,
    )


def fleet_for(costs: Costs, rate: float) -> Fleet:
    """Enough of everything that can be added to."""
    run = whole(costs)

    def cores(*kinds: str) -> int:
        return math.ceil(rate * sum(map(run.cpu_each, kinds)) / BUSY)

    return Fleet(
        rate=rate,
        gateways=max(2, cores("gateway")),
        pipelines=max(2, math.ceil(cores("pipeline", "children") / PIPELINE_CORES)),
        database=max(2, cores("postgres")),
        nats=max(3, cores("nats")),
        objects=max(2, cores("s3")),
        accounts=math.ceil(2 * rate / (BUSY * one_account(costs))),
    )


def one_account(costs: Costs) -> float:
    """Commits a second on the row of one account."""
    return costs.ceilings["cluster: commits on one account"]


def plant_of(fleet: Fleet, env: simpy.Environment) -> Plant:
    """Every role on machines of its own."""
    machines = [Cores(env, PIPELINE_CORES) for _ in range(fleet.pipelines)]
    return Plant(
        client=Cores(env, 10_000),
        gateways=[Cores(env, 1) for _ in range(fleet.gateways)],
        pipelines=[(cores, PIPELINE_CORES) for cores in machines],
        nats=Cores(env, fleet.nats),
        database=Cores(env, fleet.database),
        objects=Cores(env, fleet.objects),
        writers=max(fleet.accounts, 1),
    )


def believed(costs: Costs, rate: float) -> Believed:
    """What the fleet for this rate would do."""
    fleet = fleet_for(costs, rate)
    busy = busy_of(costs, fleet)
    if max(busy.values()) >= 1:
        return Believed(fleet, busy, None)
    load = Load(uploads=min(_SIMULATED, int(60 * rate)), rate=rate)
    demand = demand_at_work(costs)
    outcome, _ = simulate(lambda env: plant_of(fleet, env), demand, costs.pictures, load)
    return Believed(fleet, busy, outcome)


def busy_of(costs: Costs, fleet: Fleet) -> dict[str, float]:
    """How much of everything is used: what comes, times what one takes, by how much there is."""
    run, rate = whole(costs), fleet.rate
    renders = run.cpu_each("pipeline") + run.cpu_each("children")
    commits = costs.ceilings["cluster: commits on many accounts"]
    return {
        "gateways": rate * run.cpu_each("gateway") / fleet.gateways,
        "pipelines": rate * renders / (fleet.pipelines * PIPELINE_CORES),
        "Postgres' cores": rate * run.cpu_each("postgres") / fleet.database,
        "NATS' cores": rate * run.cpu_each("nats") / fleet.nats,
        "S3's cores": rate * run.cpu_each("s3") / fleet.objects,
        "Postgres' commits": rate * commits_each(costs) / commits,
        "an account's row": 2 * rate / (fleet.accounts * one_account(costs)),
        "a stream's syncs": rate / costs.ceilings["cluster: messages of one stream"],
        "orders in hand": rate * order_seconds(costs) / IN_HAND,
    }


def commits_each(costs: Costs) -> float:
    """Transactions that write, for one upload."""
    return whole(costs).count_each("database: write") or 3.0


def order_seconds(costs: Costs) -> float:
    """How long a pipeline has an order in hand when nothing waits."""
    demand = demand_of(costs, "cluster")
    engine = sum(picture.seconds for picture in costs.pictures) / len(costs.pictures)
    return engine * demand.children + demand.pipeline + demand.waiting / 2 + demand.commit
