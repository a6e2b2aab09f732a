"""Scaling on paper: simulate what was measured, and further out only when that is met.

    python benchmarks/scale.py [--costs FILE] [--short] [--markdown] [--into deploy/SCALING.md]

Reads benchmarks/results/costs.json, or measures first (`benchmarks/cluster.py`). Fails when the
simulation is off by more than 15 % in throughput, p50 or p90 of any load on the machine that was
measured, and then says nothing about others.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from benchmarks.scaling.costs import Costs, keep, read
from benchmarks.scaling.match import MOST, matches
from benchmarks.scaling.measure import LONG, SHORT, Size, measure
from benchmarks.scaling.tables import BEGIN, DOUBT, END, tables

RESULTS: Final = Path(__file__).parent / "results" / "costs.json"


def main() -> None:
    """Measure or read, judge, print."""
    parser = argparse.ArgumentParser(description="Simulate what was measured, and further out.")
    parser.add_argument("--costs", type=Path, help="measured before; else it is measured now")
    parser.add_argument("--short", action="store_true", help="a third of the uploads")
    parser.add_argument("--markdown", action="store_true", help="print the tables of SCALING.md")
    parser.add_argument("--into", type=Path, help="put them in this file")
    parser.add_argument("--believe", action="store_true", help="also when the simulation is off")
    asked = parser.parse_args()
    costs = read(asked.costs) if asked.costs else _measured(SHORT if asked.short else LONG)
    believable = _judge(costs)
    if believable or asked.believe:
        made = tables(costs) if believable else f"{DOUBT}\n\n{tables(costs)}"
        if asked.markdown:
            print(made)
        if asked.into:
            put_into(asked.into, made)
    if not believable:
        sys.exit(f"The simulation is off by more than {MOST:.0%}: not to be believed further out.")


def put_into(file: Path, made: str) -> None:
    """Replace what lies between the two marks."""
    text = file.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")


def _measured(size: Size) -> Costs:
    costs = measure(size)
    keep(costs, RESULTS)
    return costs


def _judge(costs: Costs) -> bool:
    """Print how far off the simulation is, load by load; whether it may be believed."""
    found = list(matches(costs))
    for match in found:
        off = "  ".join(f"{name} {error:+.1%}" for name, error in match.errors.items())
        print(f"{match.run.shape!s:28} {match.run.load!s:18} {off}", file=sys.stderr)
    return all(match.worst <= MOST for match in found)


if __name__ == "__main__":
    main()
