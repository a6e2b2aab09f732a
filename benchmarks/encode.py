"""Encoding, measured against libvips alone and against sharp; fails when a ratio has fallen.

    make bench            # everything, about six minutes on two quiet cores
    nice .venv/bin/python benchmarks/encode.py overhead orders    # some of it

(a) overhead: the engine and the studio against bare libvips. (b) orders: whole orders against
sharp 0.35.5 on the same cores. (c) children: one child against two. (d) memory: peak by input
format. (e) defaults: CPU, bytes and butteraugli of our defaults against sharp's.

Ratios are theirs / ours in time or bytes: above 1 is in our favour. One JSON line per case goes to
benchmarks/results/encode.jsonl, the table to the terminal, floor.json holds what must not fall.
The floors of overhead and children lie below their targets: 3 % cannot be told apart
beside busy neighbours (two children: 2.0 at best, 1.5 to 1.8 on loaded cores).
Inputs are ../shared/photos when they are there, else drawn.
"""

import os

os.environ["VIPS_CONCURRENCY"] = "1"  # as in the studio's children, and in sharp

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import children
import defaults
import eyes
import measured
import memory
import orders
import overhead
import subjects
from measured import Measured

from pipeline import engine
from tests.parity.peer import Absent, installed_sharp

RESULTS: Final = Path(__file__).parent / "results" / "encode.jsonl"
PARTS: Final = ("overhead", "orders", "children", "memory", "defaults")


def measure(parts: list[str], folder: Path) -> Iterator[Measured]:
    """Every case of the named parts."""
    engine.prepare()
    source = subjects.twelve_megapixels(folder)
    if "overhead" in parts:
        yield from overhead.measure(source)
    if "orders" in parts and _has_sharp():
        yield from orders.measure(source)
    if "children" in parts:
        yield from children.measure(source)
    if "memory" in parts:
        yield from memory.measure(source, folder)
    if "defaults" in parts and _has_eyes():
        small = [p for p in subjects.references(folder) if not p.stem.endswith("-1200")]
        yield from defaults.measure(small)


def main() -> None:
    """Measure, print, keep, judge."""
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for case in measure(sys.argv[1:] or list(PARTS), Path(folder)):
            print(case.line, flush=True)
            cases.append(case)
    print("\n" + measured.table(cases))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("".join(f"{case.line}\n" for case in cases))
    if fallen := measured.fallen(cases):
        sys.exit("\n".join(fallen))


def _has_sharp() -> bool:
    try:
        installed_sharp()
    except Absent as absent:
        return _missing("orders", str(absent))
    return True


def _has_eyes() -> bool:
    return eyes.can_see() or _missing("defaults", f"{eyes.PROGRAM} (Debian: libjxl-devtools)")


def _missing(part: str, why: str) -> bool:
    """Leaving something out is said aloud, and is a failure where everything must be there."""
    print(f"not measured: {part}: {why}", file=sys.stderr)
    if os.environ.get("CI") == "true":
        sys.exit(1)
    return False


if __name__ == "__main__":
    main()
