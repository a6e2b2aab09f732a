"""The words that dashboards are written in. A panel is a value; Grafana and matplotlib draw it."""

import re
from typing import Literal, NamedTuple

Kind = Literal["lines", "stack", "stat", "bars"]
Unit = Literal["reqps", "ops", "Bps", "decbytes", "s", "percentunit", "short", "cpm"]

WINDOW = "[$__rate_interval]"
COLUMNS = 24
LABEL = re.compile(r"\{\{(\w+)\}\}")


class Query(NamedTuple):
    """A PromQL expression, and what its series are called: `{{label}}` is filled in."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """One picture. `steps` are bounds and the colours from there on: what is good, what is not."""

    title: str
    says: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Kind = "lines"
    width: int = 6
    highest: float | None = None
    steps: tuple[tuple[float, str], ...] = ()
    digits: int | None = None
    powers: bool = False
    """Whether the axis goes by powers of ten: for what lasts from microseconds to minutes."""


class Row(NamedTuple):
    """Panels beside each other, under a title."""

    title: str
    height: int
    panels: tuple[Panel, ...]


class Dashboard(NamedTuple):
    """One page. Its name is its file's and its address."""

    name: str
    title: str
    says: str
    rows: tuple[Row, ...]


GREEN, YELLOW, ORANGE, RED = "#73BF69", "#FADE2A", "#FF9830", "#F2495C"
BLUE, VIOLET, TEAL, GREY, PINK = "#5794F2", "#B877D9", "#56C8C1", "#8E9AAB", "#FF78B8"
OTHERS = (BLUE, GREEN, ORANGE, VIOLET, TEAL, YELLOW, PINK, GREY, RED)

# What has the same name has the same colour, on every page: by label, and where there is none.
COLOURS = {
    "class": {"2xx": GREEN, "3xx": TEAL, "4xx": ORANGE, "5xx": RED},
    "tier": {"memory": GREEN, "disk": TEAL, "store": BLUE, "render": VIOLET, "none": GREY},
    "state": {
        "accepted": BLUE,
        "done": GREEN,
        "failed": ORANGE,
        "dead": RED,
        "busy": ORANGE,
        "idle": GREEN,
    },
    "reason": {"crashed": RED, "timed_out": ORANGE, "out_of_memory": PINK, "retired": GREY},
    "stage": {"decode": TEAL, "resize": BLUE, "encode": VIOLET},
    "format": {"webp": GREEN, "avif": VIOLET, "jpeg": BLUE, "png": TEAL, "gif": PINK},
    "kind": {"read": BLUE, "write": ORANGE},
    "movement": {"grant": BLUE, "reserve": GREY, "capture": GREEN, "refund": ORANGE},
    "": {
        "p50": GREEN,
        "p95": ORANGE,
        "p99": RED,
        "4xx": ORANGE,
        "5xx": RED,
        "memory": GREEN,
        "disk": TEAL,
        "store": BLUE,
        "in": GREY,
        "out": GREEN,
    },
}


def colours(panel: Panel) -> dict[str, str]:
    """Of the series that a panel may have, as far as they have one of their own."""
    found: dict[str, str] = {}
    for query in panel.queries:
        label = LABEL.fullmatch(query.legend)
        if label:
            found |= COLOURS.get(label[1], {})
        elif query.legend in COLOURS[""]:
            found[query.legend] = COLOURS[""][query.legend]
    return found


def rate(metric: str, *by: str) -> str:
    """Of a counter, a second."""
    return f"sum{_grouped(*by)}(rate({metric}{WINDOW}))"


def rates(metric: str, by: str) -> tuple[Query, ...]:
    """Of a counter, a second, by a label."""
    return (Query(rate(metric, by), f"{{{{{by}}}}}"),)


def per_minute(metric: str, *by: str) -> str:
    """Of a counter that counts what is rare."""
    return f"60 * {rate(metric, *by)}"


def quantile(share: float, metric: str, *by: str) -> str:
    """Of a histogram; `metric` may have a selector."""
    name, brace, selector = metric.partition("{")
    buckets = f"rate({name}_bucket{brace}{selector}{WINDOW})"
    return f"histogram_quantile({share}, sum{_grouped('le', *by)}({buckets}))"


def quantiles(metric: str) -> tuple[Query, ...]:
    """The middle, the slow and the slowest."""
    return tuple(
        Query(quantile(share, metric), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)
    )


def mean(metric: str, *by: str) -> str:
    """Of a histogram."""
    name, brace, selector = metric.partition("{")
    sums, counts = (f"{name}_{part}{brace}{selector}" for part in ("sum", "count"))
    return f"{rate(sums, *by)} / {rate(counts, *by)}"


def share(part: str, whole: str) -> str:
    """Of what is counted: 0 while there is nothing."""
    return f"({part} or vector(0)) / clamp_min({whole}, 1e-9)"


def filled(used: str, limit: str, by: str) -> tuple[Query, ...]:
    """Of gauges: how much of each limit is used, of all processes together."""
    return (Query(f"sum by ({by}) ({used}) / sum by ({by}) ({limit})", f"{{{{{by}}}}}"),)


def of_role(gauge: str, role: str) -> str:
    """Of the processes that play a role: the others show a 0 that means nothing."""
    return f'{gauge} and on (job, instance) calotype_build_info{{role=~"{role}|up"}}'


def or_none(expression: str, label: str) -> str:
    """A line at 0 called none, until there is the first of what may never come."""
    return f'{expression} or on () label_replace(vector(0), "{label}", "none", "", "")'


def _grouped(*by: str) -> str:
    return f" by ({', '.join(by)}) " if by else ""
