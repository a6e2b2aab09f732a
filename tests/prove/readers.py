"""Readers of an edge: one who measures, a crowd that comes at its own pace, and a flood."""

import asyncio
import contextlib
import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

from tests.system.arrivals import Seen
from tests.system.drawn import photo
from tests.system.lines import Lines
from tests.system.world import World

_TURN_SECONDS = 0.015
_STEP = 7919  # has no divisor in common with 60,000


def p99(seen: list[Seen]) -> float:
    """Milliseconds."""
    return quantiles([one.seconds * 1e3 for one in seen], n=100)[98]


async def timed(lines: Lines, url: str) -> Seen:
    """One request; one whose connection breaks is answered with status 0."""
    began = time.perf_counter()
    return Seen(await lines.ask(url), time.perf_counter() - began)


async def crowd(lines: Lines, urls: Iterator[str], rate: float, seconds: float) -> list[Seen]:
    """So many requests a second, however long the answers take; a few at a time.

    Whoever woke for each of them would take as much of the processors as the edge that is asked.
    """
    began, tasks = time.perf_counter(), list[asyncio.Task[Seen]]()
    while (passed := time.perf_counter() - began) < seconds:
        due = int(rate * passed) - len(tasks)
        tasks += [asyncio.create_task(timed(lines, next(urls))) for _ in range(due)]
        await asyncio.sleep(_TURN_SECONDS)
    return list(await asyncio.gather(*tasks))


async def queue(lines: Lines, urls: Iterator[str], readers: int, seconds: float) -> list[Seen]:
    """So many readers, each of whom waits for his answer before he asks again."""
    ends = time.perf_counter() + seconds

    async def reader() -> list[Seen]:
        seen = []
        while time.perf_counter() < ends:
            seen.append(await timed(lines, next(urls)))
        return seen

    return list(itertools.chain(*await asyncio.gather(*(reader() for _ in range(readers)))))


@contextlib.contextmanager
def flooding(flood: Callable[[str, float], None], shop: str, seconds: float) -> Iterator[None]:
    """Run a flood in a process of its own, so that it takes no time from who measures."""
    process = multiprocessing.get_context("spawn").Process(target=flood, args=(shop, seconds))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def stored(system: World, width: int = 0) -> str:
    """The URL of a picture that was just uploaded, 12 MP as a telephone takes them."""
    files = {"image": ("a.jpg", photo(4032, 3024), "image/jpeg")}
    form = {"resizeOptions": f'{{"width": {width}}}'} if width else {}
    answer = system.http.post("/api/v1/images", data=form, files=files)
    (address,) = answer.json()["simpleData"][0]["variants"].values()
    return str(address)


def conversions(url: str, first: int = 0) -> Iterator[str]:
    """60,000 results of a picture, so mixed that any hundred cost what any other hundred do."""
    for number in itertools.count(first):
        place = number * _STEP % 60_000
        width, height, quality = place % 200, place // 200 % 150, place // 30_000
        yield f"{url}?w={600 + width}&h={450 + height}&fit=cover&fm=webp&q={70 + quality}"


def port_of(system: World) -> int:
    """The edge's."""
    return urlsplit(system.edge).port or 80


def megabytes(process: int) -> float:
    """Resident memory of one process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6
