"""The meter that Prometheus reads; the only file that knows its client."""

import asyncio
import contextlib
import os
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from models.catalogue import KNOWN, METRICS, Metric
from models.meter import Meter

T = TypeVar("T", Counter, Gauge, Histogram)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder that a group of processes keeps its numbers in. The client looks when it is
imported, so it stands in the environment that such a process is started with."""

_MOST_SERIES = 500
"""Of one metric. Labels are bounded where they are made; this bounds what a mistake there costs."""
_LOOK_SECONDS = 0.25
"""A killed process of a group takes with it what was counted elsewhere in the last so many."""


class PrometheusMeter(Meter):
    """The numbers of this process; as one of a group it keeps them in the group's folder."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the client's are not annotated
        self._registry = CollectorRegistry()
        self._made = {metric.name: _made(metric, self._registry) for metric in METRICS}
        self._series: Tally[str] = Tally()
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._histograms: dict[tuple[str, ...], Histogram] = {}
        self._gauges: dict[tuple[str, ...], Gauge] = {}
        self._looks: list[Callable[[], None]] = []
        for name, series in KNOWN.items():
            for labels in series:
                self._made[name].labels(*labels)
        self.in_group = FOLDER in os.environ
        """Then others read what is in the folder: it has to be written down as time goes by."""
        if not self.in_group:
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=self._registry)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """There are so many more; 0 only makes the series known."""
        known = self._counters.get((name, *labels))
        (known or self._one(self._counters, Counter, name, labels)).inc(by)

    def timed(self, name: str, *labels: str, seconds: float) -> None:
        """Something took so long."""
        known = self._histograms.get((name, *labels))
        (known or self._one(self._histograms, Histogram, name, labels)).observe(seconds)

    def timed_many(self, name: str, *labels: str, slots: Sequence[int], seconds: float) -> None:
        """So many of each of the metric's bounds, and the last beyond them; together so long."""
        known = self._histograms.get((name, *labels))
        histogram = known or self._one(self._histograms, Histogram, name, labels)
        for bucket, more in zip(histogram._buckets, slots, strict=True):  # noqa: SLF001  # it takes only one at a time
            bucket.inc(more)
        histogram._sum.inc(seconds)  # noqa: SLF001  # the same

    def show(self, name: str, *labels: str, value: float) -> None:
        """A gauge stands there now."""
        known = self._gauges.get((name, *labels))
        (known or self._one(self._gauges, Gauge, name, labels)).set(value)

    def watch(self, look: Callable[[], None]) -> None:
        """Call `look` in the event loop before anybody reads."""
        self._looks.append(look)

    def look(self) -> None:
        """Take over what was counted elsewhere."""
        for look in self._looks:
            look()

    def sums(self, name: str, label: str) -> dict[str, float]:
        """What a metric says right now by one of its labels, the others summed. For the loop."""
        self.look()
        found: dict[str, float] = {}
        for family in self._made[name].collect():
            for sample in family.samples:
                value = sample.labels[label]
                found[value] = found.get(value, 0) + sample.value
        return found

    async def run(self) -> None:
        """Take it over every now and then, and at the end, until cancelled."""
        try:
            while True:
                self.look()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self.look()

    async def numbers(self) -> bytes:
        """What this process has counted, as Prometheus reads it."""
        self.look()
        return await asyncio.to_thread(generate_latest, self._registry)

    def _one(
        self, known: dict[tuple[str, ...], T], kind: type[T], name: str, labels: tuple[str, ...]
    ) -> T:
        """One series of a metric, from now on known; when there are too many, their rest."""
        metric = self._made[name]
        assert isinstance(metric, kind), name  # noqa: S101  # the caller's word for it is wrong
        if not labels:
            return known.setdefault((name,), metric)
        if (name, *labels) not in known and self._series[name] >= _MOST_SERIES:
            return metric.labels(*("other" for _ in labels))
        self._series[name] += 1
        return known.setdefault((name, *labels), metric.labels(*labels))


def group_text(folder: Path) -> bytes:
    """What a group of processes has counted together, those that are dead by now included."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_gauges(process: int, folder: Path) -> None:
    """A process of a group is dead: what it counted stays, what it showed does not."""
    with contextlib.suppress(FileNotFoundError):
        mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]


def _made(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    about = (metric.name, metric.says, metric.labels)
    match metric.kind:
        case "counter":
            return Counter(*about, registry=registry)
        case "histogram":
            return Histogram(*about, registry=registry, buckets=metric.bounds)
        case "gauge":
            if metric.one_for_all:
                return Gauge(*about, registry=registry, multiprocess_mode="livemostrecent")
            return Gauge(*about, registry=registry, multiprocess_mode="livesum")
