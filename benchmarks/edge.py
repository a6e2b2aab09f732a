"""The edge beside nginx, ipx and thumbor: hits, cold renders, second passes, memory.

    python benchmarks/edge.py [--parts hits renders looks memory cost] [--urls 300] ...

One run on one machine, in about twelve minutes. A ratio above 1 is in our favour. What
is not installed is said and skipped: wrk and nginx (Debian: `apt-get install wrk nginx-light`),
node for ipx, libjxl-devtools for the looks; photos are looked for in ../shared/photos.
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import edge_cost
import edge_hits
import edge_looks
import edge_memory
import edge_renders
from measured import Measured, table

PARTS: Final = ("hits", "renders", "looks", "memory", "cost")
PHOTOS: Final = Path(__file__).parents[2] / "shared" / "photos"


def measure(asked: argparse.Namespace) -> Iterator[Measured]:
    """Every part that was asked for and can be had."""
    pictures = edge_renders.photos(PHOTOS)[: asked.photos]
    if missing := [name for name in ("wrk", "nginx") if not shutil.which(name)]:
        yield Measured("everything", None, None, {"needs": " ".join(missing)})
        return
    if "hits" in asked.parts:
        for kilobytes in asked.sizes:
            yield from edge_hits.measure(kilobytes, asked.keys, asked.seconds, asked.rounds)
    if "memory" in asked.parts:
        yield from edge_memory.measure(asked.memory_keys)
    if not pictures:
        yield Measured("renders", None, None, {"skipped": f"no photos in {PHOTOS}"})
        return
    if "renders" in asked.parts:
        yield from edge_renders.measure(pictures, asked.urls, asked.longest)
    if "cost" in asked.parts:
        yield from edge_cost.measure(pictures, asked.urls, asked.longest)
    if "looks" in asked.parts:
        yield from edge_looks.measure(pictures)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=int, default=3, help="one run of wrk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 200], help="KB of a hit")
    parser.add_argument("--urls", type=int, default=300, help="cold renders per format")
    parser.add_argument("--longest", type=float, default=30, help="seconds of one pass of them")
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--memory-keys", type=int, default=10_000)
    cases = []
    for case in measure(parser.parse_args()):
        print(case.line, flush=True)
        cases.append(case)
    print("\n" + table(cases))


if __name__ == "__main__":
    main()
