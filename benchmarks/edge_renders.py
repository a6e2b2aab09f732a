"""(b) and (d): renders nobody asked for before, and then the same again, beside ipx and thumbor.

Every server is alone on the machine while it is measured, with two workers. In a first pass every
address is asked for exactly once, four at a time, which wrk cannot do; it ends early after
`seconds`, and then what was answered counts. In the second wrk asks for the same ones again.
"""

import http.client
import itertools
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles
from typing import Final, NamedTuple

from edge_ours import ours
from edge_peers import PEERS, QUALITY, Absent, Locate
from measured import Measured
from programs import NotStarted
from wrk import Refused, ask

CLIENTS: Final = 4
AGAIN_SECONDS: Final = 4
NARROWEST, WIDEST = 160, 800


class Pass(NamedTuple):
    """What one pass over a list of addresses came to."""

    rate: float
    p50: float
    p99: float
    count: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """Milliseconds and requests a second."""
        return {"per_s": round(self.rate, 1), "p50_ms": round(self.p50), "p99_ms": round(self.p99)}


Passes = dict[str, list[Pass]]
"""A first and a second pass by format."""


def photos(folder: Path) -> list[Path]:
    """JPEG photos of 8 MP and more."""
    found = sorted(path for path in folder.glob("*.jpg") if path.stat().st_size > 1_000_000)
    return [path for path in found if path.name[:2] not in {"25", "26", "27"}]


def measure(pictures: list[Path], count: int, seconds: float) -> Iterator[Measured]:
    """Cold renders from the originals and from the mezzanine, and second passes, of everybody."""
    theirs = dict(_peers(pictures, count, seconds))
    for name, passes in theirs.items():
        yield from _rows(f"cold: {name}", passes)
    for name, mezzanine, target in (("original", False, 1.0), ("mezzanine", True, 3.0)):
        try:
            with ours(pictures, mezzanine=mezzanine) as served:
                passes = _both_passes(served.port, served.locate, served.names, count, seconds)
        except (Absent, NotStarted, Refused) as why:
            yield Measured(f"cold, from the {name}", None, None, {"skipped": str(why)})
            continue
        yield from _against(name, target, passes, theirs)


def _peers(pictures: list[Path], count: int, seconds: float) -> Iterator[tuple[str, Passes]]:
    names = [picture.name for picture in pictures]
    for start in PEERS:
        try:
            with start(pictures[0].parent) as peer:
                yield peer.name, _both_passes(peer.port, peer.locate, names, count, seconds)
        except (Absent, NotStarted, Refused) as why:
            print(f"without {start.__name__}: {why}")


def _both_passes(port: int, locate: Locate, names: list[str], count: int, seconds: float) -> Passes:
    found: Passes = {}
    for form in QUALITY:
        paths = paths_of(locate, names, form, count)
        ask_each(port, [locate(name, 150, form) for name in names[:CLIENTS]], seconds)  # warm
        first = ask_each(port, paths, seconds)
        again = ask(port, paths, seconds=AGAIN_SECONDS, connections=CLIENTS)
        found[form] = [first, Pass(again.rate, again.p50, again.p99)]
    return found


def paths_of(locate: Locate, names: list[str], form: str, count: int) -> list[str]:
    """So many different ones, of all photos in all widths, in the same disorder for everybody."""
    step = (WIDEST - NARROWEST) / max(1, count - 1)
    widths = [round(NARROWEST + step * number) for number in range(count)]
    paths = [locate(name, width, form) for name, width in zip(itertools.cycle(names), widths)]
    random.Random(1).shuffle(paths)
    return paths


def ask_each(port: int, paths: list[str], seconds: float) -> Pass:
    """Ask for each once, in turn, until the time is up."""
    left, ends, times = iter(paths), time.perf_counter() + seconds, list[float]()

    def ask() -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for path in left:
            began = time.perf_counter()
            if began > ends:
                break
            link.request("GET", path)
            answer = link.getresponse()
            answer.read()
            if answer.status != 200:
                raise Absent(f"{path} was answered with {answer.status}")
            times.append(time.perf_counter() - began)
        link.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(ask) for _ in range(CLIENTS)]:
            done.result()
    took = time.perf_counter() - began
    cuts = quantiles(times, n=100, method="inclusive")
    return Pass(len(times) / took, cuts[49] * 1e3, cuts[98] * 1e3, len(times))


def _rows(name: str, passes: Passes) -> Iterator[Measured]:
    for form, (first, second) in passes.items():
        again = {"again_per_s": round(second.rate, 1)}
        yield Measured(f"{name}, {form}", None, None, first.figures | again)


def _against(
    name: str, target: float, passes: Passes, theirs: dict[str, Passes]
) -> Iterator[Measured]:
    for form, (first, second) in passes.items():
        what = f"cold, from the {name}, {form}"
        if not theirs:
            yield Measured(what, None, None, first.figures)
            continue
        best = max((peer[form] for peer in theirs.values()), key=lambda both: both[0].rate)
        yield Measured(
            f"{what}: to the best peer", first.rate / best[0].rate, target, first.figures
        )
        yield Measured(f"{what}: its p99 to ours", best[0].p99 / first.p99, 1.0, {})
        again = max(peer[form][1].rate for peer in theirs.values())
        yield Measured(f"again, {form}", second.rate / again, 100.0, second.figures)
