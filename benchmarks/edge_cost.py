"""(f) What a cold render costs in processor time, which a busy machine hardly changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge_ours import ours
from edge_renders import ask_each, paths_of
from measured import Measured
from programs import processor_ms

FORMATS: Final = ("jpeg", "webp")
_CHILD: Final = "pipeline.child"


def measure(pictures: list[Path], count: int, seconds: float) -> Iterator[Measured]:
    """Milliseconds a render through the mezzanine, by who spends them."""
    with ours(pictures, mezzanine=True) as served:
        ask_each(served.port, paths_of(served.locate, served.names, "jpeg", 3), seconds)  # warm
        for form in FORMATS:
            paths = paths_of(served.locate, served.names, form, count)
            before = _spent(served.pid)
            done = ask_each(served.port, paths, seconds).count
            after = _spent(served.pid)
            figures = {f"{who}_ms": round((after[who] - before[who]) / done, 1) for who in after}
            yield Measured(f"cost of a cold render, {form}", None, None, figures)


def _spent(system: int) -> dict[str, float]:
    """Milliseconds spent so far by a system, its render children and its other programs."""
    spent = {"edge": 0.0, "children": 0.0, "nats": 0.0}
    for pid in [system, *_children(system)]:
        command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
        child = "children" if _CHILD in command else "nats"
        spent["edge" if pid == system else child] += processor_ms(pid)
    return spent


def _children(system: int) -> list[int]:
    lists = Path(f"/proc/{system}/task").glob("*/children")
    return [int(pid) for found in lists for pid in found.read_text(encoding="ascii").split()]
