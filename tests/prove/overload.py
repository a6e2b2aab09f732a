"""Row 14: ten times as many conversions as the edge can make, beside readers of what it has."""

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.prove.readers import conversions, crowd, p99, queue, stored, timed
from tests.prove.row import Ground, Outcome, Row
from tests.system.arrivals import Seen, reading
from tests.system.lines import Lines, with_lines
from tests.system.world import world

_READERS = 8
_AT_ONCE = 0.25
"""Seconds within which who is refused must be told so."""
_CROWD, _AFTER, _AGAIN = 5_000, 50_000, 55_000
"""Where each begins to count, so that nobody asks for what another one had made."""


def prove(ground: Ground) -> Outcome:
    """Capacity, by readers who wait; then ten times that, by readers who do not; and capacity
    again: who else is on the machine comes and goes.
    """
    with world(ground.folder / "data", CALOTYPE_RATE_LIMIT_RENDERS="") as system:
        hit, converted = stored(system, 800), stored(system)
        return with_lines(lambda lines: _prove(ground, lines, hit, converted))


def overload(url: str, rate: float, seconds: float) -> list[Seen]:
    """A crowd in a process of its own, so that it takes no time from who measures."""
    new = conversions(url, first=_CROWD)
    return with_lines(lambda lines: crowd(lines, new, rate, seconds))


async def _prove(ground: Ground, lines: Lines, hit: str, converted: str) -> Outcome:
    seconds = ground.times(60, short=4)
    reading(hit, 0.5)
    idle = p99(reading(hit, ground.times(10, short=2)))
    capacity = await _capacity(ground, lines, hit, conversions(converted))
    ground.say(f"{capacity:.0f} conversions a second; idle p99 {idle:.1f} ms")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        await asyncio.wrap_future(apart.submit(time.sleep, 0))  # it has started
        crowded = apart.submit(overload, converted, 10 * capacity, seconds)
        hits = await asyncio.to_thread(reading, hit, seconds * 0.95)
        seen = await asyncio.wrap_future(crowded)
    recovered = await _recovered(lines, converted)
    after = await _capacity(ground, lines, hit, conversions(converted, first=_AGAIN))
    able = (capacity + after) / 2 * seconds
    return _judged(ground, seen, hits, able, idle, recovered)


async def _capacity(ground: Ground, lines: Lines, hit: str, new: Iterator[str]) -> float:
    """Conversions a second, beside the same reader of hits."""
    seconds = ground.times(15, short=3)
    queued = queue(lines, new, _READERS, seconds)
    able, _ = await asyncio.gather(queued, asyncio.to_thread(reading, hit, seconds))
    return sum(one.got.status == 200 for one in able) / seconds


async def _recovered(lines: Lines, converted: str) -> float:
    """Seconds until a conversion is made again."""
    began, fresh = time.perf_counter(), conversions(converted, first=_AFTER)
    for _ in range(300):
        if (await timed(lines, next(fresh))).got.status == 200:
            break
        await asyncio.sleep(0.1)
    return time.perf_counter() - began


def _judged(
    ground: Ground, seen: list[Seen], hits: list[Seen], able: float, idle: float, recovered: float
) -> Outcome:
    answers = Counter(one.got.status for one in seen)
    refused = [one for one in seen if one.got.status == 503]
    late = sum(one.seconds > _AT_ONCE for one in refused)
    goodput, busy = answers[200] / able, p99(hits)
    wrong = [
        (f"answers {dict(answers)}", set(answers) <= {200, 503}),
        ("a hit was refused", all(one.got.status == 200 for one in hits)),
        ("nothing was refused", bool(refused)),
        ("no Retry-After", all("retry-after" in one.got.headers for one in refused)),
        (f"goodput {goodput:.2f}", ground.short or goodput >= 0.9),
        (f"{late} refused late", ground.short or late <= len(refused) / 100),
        (f"hits: p99 {idle:.1f} -> {busy:.1f} ms", ground.short or busy <= 2 * idle),
        (f"recovered after {recovered:.1f} s", ground.short or recovered <= 5),
    ]
    figures = {
        "conversions asked for": len(seen),
        "goodput of capacity": round(goodput, 2),
        "refused p99 ms": round(p99(refused), 1) if len(refused) > 1 else 0,
        "hits p99 ms, idle": round(idle, 1),
        "hits p99 ms, overloaded": round(busy, 1),
        "recovered s": round(recovered, 2),
    }
    return Outcome(
        tried=len(hits),
        survived=sum(one.got.status == 200 for one in hits),
        figures=figures,
        problems=tuple(problem for problem, holds in wrong if not holds),
    )


ROW = Row("14", "overload", "hits, and nine tenths of what is possible", prove, lane="alone")
