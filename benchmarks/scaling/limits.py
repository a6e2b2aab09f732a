"""What one of each part carries, in uploads per second: who is asked for more first, and next."""

from typing import Final, NamedTuple

from benchmarks.scaling.compared import whole
from benchmarks.scaling.costs import Costs
from benchmarks.scaling.fleet import commits_each, demand_at_work, one_account, order_seconds
from benchmarks.scaling.house import IN_HAND

NETWORK: Final = 10e9 / 8
"""Bytes a second of a line of 10 Gbit/s."""


class Limit(NamedTuple):
    """One part: uploads per second that one of it carries, and what is added then."""

    part: str
    carries: float
    add: str
    hard: bool = False
    """More processes do not help."""


def limits(costs: Costs) -> list[Limit]:
    """The lowest first."""
    run, demand = whole(costs), demand_at_work(costs)
    streams = costs.ceilings["cluster: messages of one stream"]
    commits = costs.ceilings["cluster: commits on many accounts"]
    found = [
        Limit(
            "a render core",
            1 / (run.cpu_each("children") + run.cpu_each("pipeline")),
            "pipelines: one child a core",
        ),
        Limit(
            "a gateway process",
            1 / max(demand.gateway, 1e-6),
            "`--workers` up to the cores, then gateways",
        ),
        Limit("a core of the S3 servers", 1 / max(demand.objects, 1e-6), "servers; a cloud's S3"),
        Limit("a core of Postgres", 1 / max(demand.database, 1e-6), "cores"),
        Limit("a core of NATS", 1 / max(demand.nats, 1e-6), "cores"),
        Limit(
            "one account's row",
            one_account(costs) / 2,
            "nothing: two commits of an upload hold its account's row; split the account",
            hard=True,
        ),
        Limit(
            "Postgres' commits",
            commits / commits_each(costs),
            "a disk that syncs sooner; `commit_delay`; a bigger primary",
            hard=True,
        ),
        Limit("a stream's syncs", streams, "a disk that syncs sooner under JetStream", hard=True),
        Limit(
            "orders in hand",
            IN_HAND / order_seconds(costs),
            "`max_ack_pending` in pipeline/bus_streams.py",
            hard=True,
        ),
        Limit("10 Gbit/s into the gateways", NETWORK / size(costs), "gateways on more machines"),
    ]
    return sorted(found, key=lambda one: one.carries)


def size(costs: Costs) -> float:
    """Bytes of an original."""
    return sum(picture.size for picture in costs.pictures) / len(costs.pictures)


def first(costs: Costs, *, hard: bool) -> Limit:
    """Who is asked for more first: of everything, or of what more processes do not help."""
    return next(limit for limit in limits(costs) if limit.hard or not hard)
