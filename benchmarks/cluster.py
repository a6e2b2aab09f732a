"""What an upload costs embedded and on a cluster, and what a second pipeline is worth.

    python benchmarks/cluster.py [--short] [--out benchmarks/results/costs.json]

`calotype up`, then compose.yaml's topology on this machine (Postgres, three NATS servers, S3,
shared counts), with the same photos: CPU seconds by process, rows, messages, objects, written
bytes. The figures are what `benchmarks/scale.py` simulates with. Photos are ../shared/photos when
they are there, else drawn. A busy machine hardly shows in CPU seconds; in uploads per second
it does.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from benchmarks.measured import fallen, table
from benchmarks.scaling.compared import cases
from benchmarks.scaling.costs import keep
from benchmarks.scaling.measure import LONG, SHORT, measure

RESULTS: Final = Path(__file__).parent / "results" / "costs.json"


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description="What an upload costs, embedded and on a cluster.")
    parser.add_argument("--short", action="store_true", help="a third of the uploads")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    costs = measure(SHORT if asked.short else LONG)
    keep(costs, asked.out)
    found = list(cases(costs))
    for case in found:
        print(case.line)
    print("\n" + table(found))
    if below := fallen(found):
        sys.exit("\n".join(below))


if __name__ == "__main__":
    main()
