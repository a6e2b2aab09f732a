"""What a measurement is, and how two sides are measured fairly on a machine that is never quiet."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

FLOORS: Final = Path(__file__).with_name("floor.json")


class Measured(NamedTuple):
    """One case: a ratio (above 1 is in our favour, None when there is nothing to compare)."""

    name: str
    ratio: float | None
    target: float | None
    figures: Mapping[str, float | str]

    @property
    def verdict(self) -> str:
        """Whether the target was met; nothing without one."""
        if self.ratio is None or self.target is None:
            return ""
        return "met" if self.ratio >= self.target else "MISSED"

    @property
    def line(self) -> str:
        """The case as one line of JSON."""
        ratio = None if self.ratio is None else round(self.ratio, 4)
        said = {"case": self.name, "ratio": ratio, "target": self.target}
        return json.dumps(said | dict(self.figures))


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long it takes, once."""
    start = clock()
    work()
    return clock() - start


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    times: int,
    target: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Take turns: theirs, ours, theirs, ours... after one warm-up each; the ratio of medians."""
    theirs(), ours()
    pairs = [(seconds(theirs, clock), seconds(ours, clock)) for _ in range(times)]
    their_time, our_time = (median(side) for side in zip(*pairs, strict=True))
    figures = {"theirs_ms": round(their_time * 1e3, 1), "ours_ms": round(our_time * 1e3, 1)}
    return Measured(name, their_time / our_time, target, figures)


def table(cases: list[Measured]) -> str:
    """The cases for a person to read."""
    rows = [f"{'case':50} {'ratio':>7} {'target':>7} {'':6}  figures"]
    for case in cases:
        ratio = "" if case.ratio is None else f"{case.ratio:.3f}"
        target = "" if case.target is None else f"{case.target:.3f}"
        figures = "  ".join(f"{name} {value}" for name, value in case.figures.items())
        rows.append(f"{case.name:50} {ratio:>7} {target:>7} {case.verdict:6}  {figures}")
    return "\n".join(rows)


def fallen(cases: list[Measured]) -> list[str]:
    """The cases below their floor, in words."""
    floors = json.loads(FLOORS.read_text())
    return [
        f"{case.name}: {case.ratio:.3f} is below the floor of {floors[case.name]}"
        for case in cases
        if case.ratio is not None and case.ratio < floors.get(case.name, 0)
    ]
