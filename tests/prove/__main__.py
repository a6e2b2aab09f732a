"""`python -m tests.prove`: every row of the proof, one table, one JSON file."""

import json
import multiprocessing
import os
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path

import rich_click as click
from rich.console import Console

from tests.prove.row import Ground, Outcome, Row
from tests.prove.rows import ROWS
from tests.prove.shown import Proved, report, table
from tests.servers import server_folder


@click.command()
@click.option("--rows", default="", help="Numbers or names, separated by commas.  [all]")
@click.option("--short", is_flag=True, help="A taste of each row, in seconds.")
@click.option("--seed", type=int, default=0, help="Of everything random; 0 draws one.")
@click.option("--json", "file", type=click.Path(path_type=Path), default=Path("prove.json"))
@click.option("--list", "only_list", is_flag=True, help="What there is, and nothing else.")
def main(*, rows: str, short: bool, seed: int, file: Path, only_list: bool) -> None:
    """Cause every fault ourselves, and show that nothing accepted was lost or paid twice."""
    chosen = chosen_rows([word.strip() for word in rows.split(",") if word.strip()])
    if only_list:
        for row in chosen:
            click.echo(f"{row.number:>3}  {row.name:<24} {row.promise}")
        return
    began = time.monotonic()
    seed = seed or int.from_bytes(os.urandom(3))
    proved = prove_all(chosen, short=short, seed=seed, began=began)
    Console().print(table(proved, time.monotonic() - began))
    file.write_text(json.dumps(report(proved, seed, time.monotonic() - began), indent=2) + "\n")
    sys.exit(0 if all(outcome.holds for _, outcome, _ in proved) else 1)


def chosen_rows(words: list[str]) -> list[Row]:
    """The rows with these numbers or names, all without any."""
    found = [row for row in ROWS if not words or {row.number, row.name} & set(words)]
    known = {word for row in ROWS for word in (row.number, row.name)}
    if unknown := set(words) - known:
        raise click.UsageError(f"there is no row {', '.join(sorted(unknown))}; see --list")
    return found


def prove_all(rows: list[Row], *, short: bool, seed: int, began: float) -> list[Proved]:
    """Every row: the lanes beside each other, then what wants to be alone."""
    lanes = [list(lane) for _, lane in groupby(sorted(rows, key=_lane), key=_lane)]
    together = [lane for lane in lanes if lane[0].lane != "alone"]
    alone = [row for lane in lanes for row in lane if row.lane == "alone"]

    def run(lane: list[Row]) -> list[Proved]:
        return [prove(row, short=short, seed=seed, began=began) for row in lane]

    with ThreadPoolExecutor(max(1, len(together))) as threads:
        proved = [one for lane in threads.map(run, together) for one in lane]
    proved += run(alone)
    return sorted(proved, key=lambda one: rows.index(one[0]))


def _lane(row: Row) -> str:
    return row.lane


def prove(row: Row, *, short: bool, seed: int, began: float) -> Proved:
    """One row in a process of its own; one that dies or takes too long has failed."""
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with server_folder() as folder:
        ground = Ground(f"{row.number} {row.name}", folder, short, seed, began)
        process = context.Process(target=_run, args=(ROWS.index(row), ground, theirs))
        process.start()
        theirs.close()
        outcome = _heard(ours, process, row.seconds)
    ground.say("holds" if outcome.holds else f"FAILED: {'; '.join(outcome.problems[:3])}")
    return row, outcome, time.monotonic() - started


def _run(index: int, ground: Ground, line: Connection) -> None:
    try:
        outcome = ROWS[index].prove(ground)
    except BaseException as error:  # noqa: BLE001 whatever it is, it stands in the table
        traceback.print_exc()
        outcome = _broken(f"{type(error).__name__}: {error}"[:500])
    line.send(outcome)


def _heard(
    line: Connection, process: multiprocessing.process.BaseProcess, patience: float
) -> Outcome:
    outcome = _broken(f"took longer than {patience:.0f} s")
    if line.poll(patience):
        try:
            outcome = line.recv()
        except EOFError:
            outcome = _broken("the row's process died")
    process.join(30)
    if process.is_alive():
        process.kill()
        process.join()
    return outcome


def _broken(problem: str) -> Outcome:
    return Outcome(tried=0, survived=0, problems=(problem,))


if __name__ == "__main__":
    main()
