"""Rows 15 and 16: a flood of keys that are not there, and 500 clients that stall."""

import contextlib
import itertools
import time

from tests.prove.readers import flooding, megabytes, p99, port_of, queue, stored
from tests.prove.row import Ground, Outcome, Row
from tests.stalls import connections, stalled
from tests.system.arrivals import Seen, reading
from tests.system.lines import with_lines
from tests.system.world import World, world

_FLOODERS = 32
_KEYS = 20_000
_MOST_MEGABYTES = 64


def flood(shop: str, seconds: float) -> None:
    """As many missing keys of somebody's bucket as this process can ask for."""
    missing = (f"{shop}/missing-{n % _KEYS}x1.webp" for n in itertools.count())
    with contextlib.suppress(KeyboardInterrupt):
        with_lines(lambda lines: queue(lines, missing, _FLOODERS, seconds))


def prove_flood(ground: Ground) -> Outcome:
    """The same hit before and during."""
    seconds = ground.times(60, short=4)
    with world(ground.folder / "data") as system:
        hit = stored(system, 800)
        before, idle = _idle(system, hit, ground)
        with flooding(flood, hit.rpartition("/")[0], seconds + 5):
            time.sleep(1)
            seen = reading(hit, seconds)
            grown = megabytes(system.process.pid) - before
    return _judged(ground, seen, idle, grown, {})


def prove_stalls(ground: Ground) -> Outcome:
    """Stalled in every way; the time-outs are the ones that everybody has."""
    with world(ground.folder / "data") as system:
        hit = stored(system, 800)
        before, idle = _idle(system, hit, ground)
        port, began = port_of(system), time.monotonic()
        with stalled(port, 500, hit.partition(str(port))[2]):
            seen = reading(hit, ground.times(20, short=4))
            grown = megabytes(system.process.pid) - before
            while connections(port) and time.monotonic() < began + 60:
                time.sleep(0.2)
            closed = time.monotonic() - began
    outcome = _judged(ground, seen, idle, grown, {"all closed after s": round(closed, 1)})
    late = () if closed <= 30 else (f"closed after {closed:.0f} s",)
    return Outcome(
        tried=outcome.tried,
        survived=outcome.survived,
        figures=outcome.figures,
        problems=(*outcome.problems, *late),
    )


def _idle(system: World, hit: str, ground: Ground) -> tuple[float, float]:
    reading(hit, 1)
    seen = reading(hit, ground.times(10, short=2))
    return megabytes(system.process.pid), p99(seen)


def _judged(
    ground: Ground, seen: list[Seen], idle: float, grown: float, more: dict[str, float]
) -> Outcome:
    busy = p99(seen)
    wrong = [
        (f"grown by {grown:.0f} MB", grown <= _MOST_MEGABYTES),
        (f"hits: p99 {idle:.1f} -> {busy:.1f} ms", ground.short or busy <= 2 * idle),
    ]
    return Outcome(
        tried=len(seen),
        survived=sum(one.got.status == 200 for one in seen),
        figures={
            "hits p99 ms, idle": round(idle, 1),
            "hits p99 ms, meanwhile": round(busy, 1),
            "grown by MB": round(grown),
            **more,
        },
        problems=tuple(problem for problem, holds in wrong if not holds),
    )


FLOOD = Row("15", "404 flood", "hits, during a minute of missing keys", prove_flood, lane="alone")
STALLS = Row("16", "stalled clients", "hits, beside 500 who stall", prove_stalls, lane="alone")
