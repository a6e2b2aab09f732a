"""`python -m tests.prove`: every row of the proof, one table, one JSON file."""

import json
import os
import sys
import time
from pathlib import Path

import rich_click as click
from rich.console import Console

from tests.prove.row import Row
from tests.prove.rows import ROWS
from tests.prove.run import prove_all
from tests.prove.shown import report, table


@click.command()
@click.option("--rows", default="", help="Numbers or names, separated by commas.  [all]")
@click.option("--short", is_flag=True, help="A taste of each row, in seconds.")
@click.option("--seed", type=int, default=0, help="Of everything random; 0 draws one.")
@click.option("--json", "file", type=click.Path(path_type=Path), default=Path("prove.json"))
@click.option("--list", "only_list", is_flag=True, help="What there is, and nothing else.")
def main(*, rows: str, short: bool, seed: int, file: Path, only_list: bool) -> None:
    """Cause every fault ourselves, and show that nothing accepted was lost or paid twice.

    The logs of what does not hold are in a folder beside the JSON file.
    """
    chosen = chosen_rows([word.strip() for word in rows.split(",") if word.strip()])
    if only_list:
        for row in chosen:
            click.echo(f"{row.number:>3}  {row.name:<24} {row.promise}")
        return
    began = time.monotonic()
    seed = seed or int.from_bytes(os.urandom(3))
    logs = file.with_suffix(".logs")
    proved = prove_all(chosen, short=short, seed=seed, began=began, logs=logs)
    Console(width=None if sys.stdout.isatty() else 120).print(
        table(proved, time.monotonic() - began)
    )
    file.write_text(json.dumps(report(proved, seed, time.monotonic() - began), indent=2) + "\n")
    sys.exit(0 if all(outcome.holds for _, outcome, _ in proved) else 1)


def chosen_rows(words: list[str]) -> list[Row]:
    """The rows with these numbers or names, all without any."""
    found = [row for row in ROWS if not words or {row.number, row.name} & set(words)]
    known = {word for row in ROWS for word in (row.number, row.name)}
    if unknown := set(words) - known:
        raise click.UsageError(f"there is no row {', '.join(sorted(unknown))}; see --list")
    return found


if __name__ == "__main__":
    main()
