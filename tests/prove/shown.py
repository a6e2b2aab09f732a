"""What a run has to show: a table for people, a value for programs."""

import os

from rich.table import Table

from tests.prove.row import Outcome, Row

Proved = tuple[Row, Outcome, float]


def table(proved: list[Proved], seconds: float) -> Table:
    """What is shown at the end."""
    made = Table(title=f"{len(proved)} rows in {seconds / 60:.1f} minutes")
    for name in ("row", "", "tried", "survived", "lost", "twice", "s"):
        made.add_column(name, justify="left" if name in ("row", "") else "right")
    made.add_column("figures", overflow="fold")
    for row, outcome, took in proved:
        counts = (outcome.tried, outcome.survived, outcome.lost, outcome.duplicates)
        sign = "skipped" if outcome.skipped else "holds" if outcome.holds else "FAILED"
        said = [outcome.skipped] if outcome.skipped else []
        said += [f"{name} {value}" for name, value in outcome.figures.items()]
        said += outcome.problems
        name = f"{row.number} {row.name}"
        made.add_row(name, sign, *map(str, counts), f"{took:.0f}", "\n".join(said))
    return made


def report(proved: list[Proved], seed: int, seconds: float) -> dict[str, object]:
    """The same for programs."""
    return {
        "holds": all(outcome.holds for _, outcome, _ in proved),
        "seconds": round(seconds, 1),
        "seed": seed,
        "cores": os.cpu_count(),
        "rows": [
            {
                "row": row.number,
                "name": row.name,
                "promise": row.promise,
                "holds": outcome.holds,
                "seconds": round(took, 1),
                **{name: getattr(outcome, name) for name in Outcome.__struct_fields__},
            }
            for row, outcome, took in proved
        ],
    }
