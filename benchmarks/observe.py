"""What it costs to be watched: metrics and logs on against off, hits of the edge and uploads.

Two systems run all the time and are asked in turns, each pair in the other order than the last, so
that a busy machine harms both alike; a ratio is the median over the pairs. The processor's time of
a request is told beside it: that has less to do with neighbours. Fails when hits lose more than
5 %, or uploads more than 2 %. Needs wrk (Debian: `apt-get install wrk`).
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx2
import pyvips
from measured import Measured, table
from programs import cpu_seconds
from upload import System, running
from wrk import ask

# On is what there is when nothing is set; a line for every hit of an edge is not, and told apart.
OFF: Final = {"CALOTYPE_METRICS": "false", "CALOTYPE_ACCESS_LOG": "none"}
LINES: Final = {"CALOTYPE_ACCESS_LOG": "gateway,edge"}
UNLIMITED: Final = {"CALOTYPE_RATE_LIMIT": "", "CALOTYPE_RATE_LIMIT_PIXELS": ""}
HITS: Final = 0.95
UPLOADS: Final = 0.98
_AT_ONCE: Final = 4


class Figure(NamedTuple):
    """Requests a second, and microseconds of processor time of each."""

    rate: float
    cpu: float


Ask = Callable[[System], Figure]


def main() -> int:
    """Measure, print, and fail beyond what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=25, help="pairs of runs of each case")
    parser.add_argument("--seconds", type=int, default=1, help="of hits in one run")
    parser.add_argument("--uploads", type=int, default=24, help="uploads in one run")
    given = parser.parse_args()
    cases = list(_cases(given.pairs, given.seconds, given.uploads))
    sys.stdout.write(table(cases) + "\n\n")
    for case in cases:
        sys.stdout.write(case.line + "\n")
    return int(any(case.verdict == "MISSED" for case in cases))


def _cases(pairs: int, seconds: int, uploads: int) -> Iterator[Measured]:
    with running(**UNLIMITED, **OFF) as off:
        hits = _hitting(seconds)
        with running(**UNLIMITED) as on:
            yield _compared("hits of the edge, watched", hits, (on, off), pairs, HITS)
            yield _compared("uploads, watched", _uploading(uploads), (on, off), pairs, UPLOADS)
        with running(**UNLIMITED, **LINES) as lines:
            yield _compared("hits, a line in the log for each", hits, (lines, off), pairs, None)


def _compared(
    name: str, work: Ask, systems: tuple[System, System], pairs: int, target: float | None
) -> Measured:
    """The first system's rate in the second's, pair by pair."""
    on, off = systems
    for system in systems:
        work(system)
    rows = [_pair(work, on, off, turned=bool(number % 2)) for number in range(pairs)]
    figures = {
        "on_per_second": round(median(one.rate for one, _ in rows), 1),
        "off_per_second": round(median(one.rate for _, one in rows), 1),
        "on_cpu_us": round(median(one.cpu for one, _ in rows), 1),
        "off_cpu_us": round(median(one.cpu for _, one in rows), 1),
        "cpu_ratio": round(median(other.cpu / one.cpu for one, other in rows), 3),
    }
    return Measured(name, median(one.rate / other.rate for one, other in rows), target, figures)


def _pair(work: Ask, on: System, off: System, *, turned: bool) -> tuple[Figure, Figure]:
    if turned:
        after, before = work(off), work(on)
        return before, after
    return work(on), work(off)


def _hitting(seconds: int) -> Ask:
    """One variant of each system, asked for over and over."""
    paths: dict[int, str] = {}

    def work(system: System) -> Figure:
        path = paths.get(system.process) or _variant(system)
        paths[system.process] = path
        port = urlsplit(system.edge).port or 0
        before = cpu_seconds(system.process)
        figure = ask(port, [path], seconds=seconds)
        spent = cpu_seconds(system.process) - before
        return Figure(figure.rate, spent / figure.done * 1e6)

    return work


def _variant(system: System) -> str:
    """The path of a variant that was just made."""
    with _client(system) as client:
        answer = client.post("/api/v1/images", data=_FORM, files={"image": ("a.jpg", _picture())})
        answer.raise_for_status()
        return urlsplit(answer.json()["simpleData"][0]["variants"]["webp"]).path


def _uploading(uploads: int) -> Ask:
    """Uploads of a picture of a megapixel, several at once: the smaller, the more we show."""
    picture = _picture()

    def work(system: System) -> Figure:
        before, began = cpu_seconds(system.process), time.perf_counter()
        asyncio.run(_upload_all(system, picture, uploads))
        took, spent = time.perf_counter() - began, cpu_seconds(system.process) - before
        return Figure(uploads / took, spent / uploads * 1e6)

    return work


async def _upload_all(system: System, picture: bytes, uploads: int) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)
    headers = {"Authorization": f"Bearer {system.key}"}
    async with httpx2.AsyncClient(
        base_url=system.api, headers=headers, timeout=120, trust_env=False
    ) as client:

        async def upload() -> None:
            async with turns:
                file = {"image": ("a.jpg", picture)}
                (await client.post("/api/v1/images", data=_FORM, files=file)).raise_for_status()

        await asyncio.gather(*(upload() for _ in range(uploads)))


_FORM: Final = {"resizeOptions": '{"width": 400}', "formatOptions": '{"format": "webp"}'}


def _client(system: System) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {system.key}"}
    return httpx2.Client(base_url=system.api, headers=headers, timeout=120, trust_env=False)


def _picture() -> bytes:
    noise = pyvips.Image.gaussnoise(300, 225, sigma=60, mean=128).resize(4)
    picture = noise.bandjoin([noise.flip("horizontal"), noise.flip("vertical")]).cast("uchar")
    return bytes(picture.copy(interpretation="srgb").jpegsave_buffer(Q=88))


if __name__ == "__main__":
    sys.exit(main())
