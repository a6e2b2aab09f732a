"""The cluster beside the embedded system, and two pipelines beside one."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from benchmarks.measured import Measured
from benchmarks.scaling.costs import Costs, Run, Shape
from benchmarks.scaling.drive import percentile

_FULL: Final = 8


def cases(costs: Costs) -> Iterator[Measured]:
    """Ratios above 1 are in favour of the cluster, or of the second pipeline."""
    one, two = (_cluster(costs, pipelines, 1) for pipelines in (1, 2))
    yield _beside("two pipelines of one child against one", two, one, 1.5)
    yield _beside("two pipelines of two children against one", _cluster(costs, 2, 2), whole(costs))
    yield _beside("cluster against embedded, throughput", whole(costs), alone(costs))
    for name, run in (("embedded", alone(costs)), ("cluster", whole(costs))):
        yield Measured(f"an upload's CPU ms: {name}", None, None, cpu_of(run))
    dearer = spent_by(alone(costs)) / spent_by(whole(costs))
    yield Measured("cluster against embedded, CPU of an upload", dearer, None, {})
    for run in (costs.run(Shape(system="embedded"), 1), costs.run(Shape(system="cluster"), 1)):
        figures = {"wall_ms": round(median(run.latencies) * 1e3)}
        yield Measured(f"an upload alone: {run.shape.system}", None, None, figures)


def alone(costs: Costs) -> Run:
    """The embedded system with all that it can do."""
    return costs.run(Shape(system="embedded"), _FULL)


def whole(costs: Costs) -> Run:
    """The cluster with as many children, and all that it can do."""
    return _cluster(costs, 1, 2)


def _cluster(costs: Costs, pipelines: int, children: int) -> Run:
    return costs.run(Shape(system="cluster", pipelines=pipelines, children=children), _FULL)


def spent_by(run: Run) -> float:
    """CPU seconds of one upload, all processes but the client."""
    return sum(run.cpu_each(kind) for kind in run.cpu if kind != "client")


def cpu_of(run: Run) -> dict[str, float]:
    """Milliseconds of one upload by process, the dearest first, without the next to nothing."""
    each = {kind: round(run.cpu_each(kind) * 1e3, 1) for kind in run.cpu}
    return dict(sorted(((k, v) for k, v in each.items() if v >= 0.1), key=lambda one: -one[1]))


def _beside(name: str, ours: Run, theirs: Run, target: float | None = None) -> Measured:
    figures = {
        "ours_per_s": round(ours.per_second, 2),
        "theirs_per_s": round(theirs.per_second, 2),
        "ours_p99_ms": round(percentile(ours.latencies, 99) * 1e3),
        "theirs_p99_ms": round(percentile(theirs.latencies, 99) * 1e3),
    }
    return Measured(name, ours.per_second / theirs.per_second, target, figures)
