"""The tables of deploy/SCALING.md, from what was measured and what is simulated of it."""

from collections.abc import Iterable, Iterator
from typing import Final

from benchmarks.scaling.compared import alone, spent_by, whole
from benchmarks.scaling.costs import Costs, Run, Shape
from benchmarks.scaling.drive import Outcome, percentile
from benchmarks.scaling.fleet import BUSY, PIPELINE_CORES, RATES, believed
from benchmarks.scaling.limits import first, limits, size
from benchmarks.scaling.match import MOST, matches

BEGIN: Final = "<!-- figures: python benchmarks/scale.py --into deploy/SCALING.md -->"
END: Final = "<!-- end of figures -->"
DOUBT: Final = (
    "**Measured on a busy machine, where the simulation was off by more than 15 %.** CPU seconds, "
    "rows, messages and bytes hold; seconds, rates, and all that follows from them do not."
)

Rows = Iterable[tuple[str, ...]]

_KINDS: Final = {
    "calotype": "`calotype up` itself: gateway, pipeline, edge",
    "gateway": "gateway",
    "pipeline": "pipeline, without its children",
    "children": "render children",
    "nats": "nats-server, all of them",
    "postgres": "Postgres",
    "s3": "SeaweedFS",
    "valkey": "Valkey",
}
_HITS: Final = 1_000_000
_SHARE_OF_MISSES: Final = 0.01


def tables(costs: Costs) -> str:
    """All of them, each under its title."""
    parts = {
        "Per 1,000 uploads": _uploads(costs),
        "Per million hits": _hits(costs),
        "One and two pipelines": _pipelines(costs),
        "Measured and simulated": _matched(costs),
        "What one of each carries": _limits(costs),
        "Uploads per second": _fleets(costs),
        "A million hits per second": _edges(costs),
    }
    made = [f"### {title}\n\n{table(rows)}" for title, rows in parts.items()]
    return "\n\n".join([_machine(costs), *made])


def table(rows: Rows) -> str:
    """Markdown; the first row is the head."""
    head, *rest = rows
    lines = [head, tuple("---" for _ in head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(costs: Costs) -> str:
    machine, pixels = costs.machine, [picture.megapixels for picture in costs.pictures]
    return (
        f"Measured on {machine.cores} cores that together are worth {machine.power:.2f} of one, a "
        f"disk that syncs 4 KB in {machine.fsync * 1e3:.1f} ms, {len(pixels)} photos of "
        f"{min(pixels):.1f} to {max(pixels):.1f} megapixels ({size(costs) / 1e6:.1f} MB each), "
        "each uploaded for a 1200 px webp, two thumbnails and the working copy."
    )


def _uploads(costs: Costs) -> Rows:
    one, other = alone(costs), whole(costs)
    yield ("what", "embedded", "cluster")
    for kind, name in _KINDS.items():
        if one.cpu_each(kind) + other.cpu_each(kind) > 1e-4:
            yield (f"CPU seconds: {name}", _cpu(one, kind), _cpu(other, kind))
    yield ("CPU seconds: all", f"{spent_by(one) * 1e3:.0f}", f"{spent_by(other) * 1e3:.0f}")
    still = (sum(costs.idle[system].cpu.values()) for system in ("embedded", "cluster"))
    yield ("beside that, cores busy with being there", *(f"{cores:.2f}" for cores in still))
    yield ("rows", _sum(one, "rows: "), _sum(other, "rows: "))
    for name, said in (("database: write", "transactions that write"), ("database: read", "reads")):
        yield (said, _count(one, name), _count(other, name))
    yield ("WAL syncs of Postgres", "", _count(other, "postgres: WAL syncs"))
    yield ("WAL bytes of Postgres", "", _bytes(other.count_each("postgres: WAL bytes") * 1e3))
    yield ("messages kept by streams", _sum(one, "stored: "), _sum(other, "stored: "))
    yield ("messages into and out of NATS", "", _messages(other))
    for name, said in _operations(one, other):
        yield (said, _count(one, name), _count(other, name))
    yield ("bytes written to disks", _written(one), _written(other))
    yield ("bytes of originals", *2 * (_bytes(size(costs) * 1e3),))
    walls = (costs.run(Shape(system=system), 1) for system in ("embedded", "cluster"))
    yield ("seconds of one upload alone, p50", *(f"{_p(run, 50):.2f}" for run in walls))


def _operations(*runs: Run) -> Iterator[tuple[str, str]]:
    names = sorted({name for run in runs for name in run.counts if name.startswith("objects: ")})
    return ((name, f"objects, {name.partition(': ')[2]}") for name in names)


def _hits(costs: Costs) -> Rows:
    yield (
        "what",
        "CPU seconds",
        "bytes",
        "hits per second of one worker",
        "rows, messages, objects",
    )
    for hits in costs.edge.hits:
        cpu, sent = hits.cpu * _HITS, _bytes(hits.size * _HITS)
        yield (f"hits of {hits.size // 1024} KB", f"{cpu:.0f}", sent, f"{hits.per_second:.0f}", "0")
    for kind, seconds in sorted(costs.edge.miss.items(), key=lambda one: -one[1]):
        name = _KINDS.get(kind, kind).partition(",")[0]
        said = f"{seconds * _HITS:.0f}"
        yield (f"first hits (from object storage): {name}", said, "", "", "")


def _pipelines(costs: Costs) -> Rows:
    yield ("pipelines x children", "uploads/s", "ratio", "p50", "p99")
    for children in (1, 2):
        runs = [_eight(costs, pipelines, children) for pipelines in (1, 2)]
        for run in runs:
            ratio = run.per_second / runs[0].per_second
            yield (f"{run.shape.pipelines} x {children}", *_told(run), f"{ratio:.2f}", *_ps(run))
    yield ("embedded, 1 x 2", *_told(alone(costs)), "", *_ps(alone(costs)))


def _eight(costs: Costs, pipelines: int, children: int) -> Run:
    return costs.run(Shape(system="cluster", pipelines=pipelines, children=children), 8)


def _matched(costs: Costs) -> Rows:
    yield (
        "system, load",
        "uploads/s",
        "simulated",
        "p50 s",
        "simulated",
        "p90 s",
        "simulated",
        "p99 s",
        "simulated",
        "off",
    )
    for match in matches(costs):
        run, said = match.run, match.foretold
        yield (
            f"{run.shape}; {run.load}",
            f"{run.per_second:.2f}",
            f"{said.per_second:.2f}",
            f"{_p(run, 50):.2f}",
            f"{said.p50:.2f}",
            f"{_p(run, 90):.2f}",
            f"{percentile(said.latencies, 90):.2f}",
            f"{_p(run, 99):.2f}",
            f"{said.p99:.2f}",
            f"{match.worst:.0%}" + ("" if match.worst <= MOST else " (too much)"),
        )


def _limits(costs: Costs) -> Rows:
    yield ("part", "uploads/s", *(f"of it at {rate:,}/s" for rate in RATES), "what to add")
    for limit in limits(costs):
        shares = (_needed(rate / limit.carries, hard=limit.hard) for rate in RATES)
        yield (limit.part, f"{limit.carries:,.1f}", *shares, limit.add)
    yield _first(costs, "saturates first", hard=False)
    yield _first(costs, "first of what more processes do not help", hard=True)


def _first(costs: Costs, said: str, *, hard: bool) -> tuple[str, ...]:
    """Who reaches the end first at each rate, when everything else is added to."""
    limit = first(costs, hard=hard)
    shares = (_needed(rate / limit.carries, hard=limit.hard) for rate in RATES)
    return (f"**{said}**", "", *(f"{limit.part}: {share}" for share in shares), "")


def _needed(share: float, *, hard: bool) -> str:
    """How full something is that there is one of, or how many are needed."""
    if hard:
        return f"{share:.0%}" + (" **full**" if share > 1 else "")
    return f"{max(1, share / BUSY):,.0f}"


def _fleets(costs: Costs) -> Rows:
    yield (
        "uploads/s",
        "gateway processes",
        f"pipelines of {PIPELINE_CORES} cores",
        "Postgres cores",
        "NATS cores",
        "S3 cores",
        "accounts at least",
        "commits/s",
        "WAL syncs/s",
        "NATS messages/s",
        "into object storage",
        "p50 s",
        "p99 s",
        "nearest to its end",
    )
    run = whole(costs)
    for rate in RATES:
        seen = believed(costs, rate)
        fleet = seen.fleet
        yield (
            f"{rate:,}",
            str(fleet.gateways),
            str(fleet.pipelines),
            str(fleet.database),
            str(fleet.nats),
            str(fleet.objects),
            str(fleet.accounts),
            f"{run.count_each('database: write') * rate:,.0f}",
            f"{run.count_each('postgres: WAL syncs') * rate:,.0f}",
            f"{_all_messages(run) * rate:,.0f}",
            f"{_bits(size(costs) * rate)}",
            *_answers(seen.outcome),
            f"{seen.first} ({seen.busy[seen.first]:.0%})",
        )


def _answers(outcome: Outcome | None) -> tuple[str, str]:
    """Seconds; nothing when something is over its end, and a queue grows for ever."""
    return (f"{outcome.p50:.2f}", f"{outcome.p99:.2f}") if outcome else ("grows", "grows")


def _edges(costs: Costs) -> Rows:
    yield (
        "bodies of",
        "edge cores",
        "sent",
        "lines of 25 Gbit/s",
        "first to give",
        f"with {_SHARE_OF_MISSES:.0%} first hits: edge, Postgres, S3 cores",
    )
    misses = _HITS * _SHARE_OF_MISSES / BUSY
    more = ", ".join(
        f"{costs.edge.miss.get(kind, 0.0) * misses:,.0f}" for kind in ("edge", "postgres", "s3")
    )
    for hits in costs.edge.hits:
        cores, sent = hits.cpu * _HITS / BUSY, hits.size * _HITS
        lines = sent * 8 / 25e9 / BUSY
        # A machine of 32 cores with one such line: whichever is used up first.
        gives = "the line" if lines > cores / 32 else "cores"
        yield (
            f"{hits.size // 1024} KB",
            f"{cores:,.0f}",
            _bits(sent),
            f"{lines:,.0f}",
            gives,
            more,
        )


def _cpu(run: Run, kind: str) -> str:
    return f"{run.cpu_each(kind) * 1e3:.1f}"


def _count(run: Run, name: str) -> str:
    return f"{run.count_each(name) * 1e3:,.0f}"


def _sum(run: Run, start: str) -> str:
    names = [name for name in run.counts if name.startswith(start)]
    return f"{sum(map(run.count_each, names)) * 1e3:,.0f}"


def _messages(run: Run) -> str:
    return f"{_all_messages(run) * 1e3:,.0f}"


def _all_messages(run: Run) -> float:
    return run.count_each("nats: in_msgs") + run.count_each("nats: out_msgs")


def _written(run: Run) -> str:
    kinds = (kind for kind in run.written if kind != "client")
    return _bytes(sum(run.written[kind] for kind in kinds) / len(run.latencies) * 1e3)


def _bytes(number: float) -> str:
    for unit, size_of in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size_of:
            return f"{number / size_of:,.1f} {unit}"
    return f"{number / 1e3:,.0f} KB"


def _bits(bytes_a_second: float) -> str:
    return f"{bytes_a_second * 8 / 1e9:,.1f} Gbit/s"


def _told(run: Run) -> tuple[str]:
    return (f"{run.per_second:.2f}",)


def _ps(run: Run) -> tuple[str, str]:
    return f"{_p(run, 50):.2f} s", f"{_p(run, 99):.2f} s"


def _p(run: Run, percent: int) -> float:
    return percentile(run.latencies, percent)
