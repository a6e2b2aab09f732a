"""Running rows: each in a process and a folder of its own, lanes beside each other."""

import multiprocessing
import shutil
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path

from tests.prove.row import Ground, Outcome, Row
from tests.prove.rows import ROWS
from tests.prove.shown import Proved
from tests.servers import server_folder


def prove_all(rows: list[Row], *, short: bool, seed: int, began: float, logs: Path) -> list[Proved]:
    """Every row: the lanes beside each other, then what wants to be alone."""
    lanes = [list(lane) for _, lane in groupby(sorted(rows, key=_lane), key=_lane)]
    together = [lane for lane in lanes if lane[0].lane != "alone"]
    alone = [row for lane in lanes for row in lane if row.lane == "alone"]

    def run(lane: list[Row]) -> list[Proved]:
        return [prove(row, short=short, seed=seed, began=began, logs=logs) for row in lane]

    with ThreadPoolExecutor(max(1, len(together))) as threads:
        proved = [one for lane in threads.map(run, together) for one in lane]
    proved += run(alone)
    return sorted(proved, key=lambda one: rows.index(one[0]))


def _lane(row: Row) -> str:
    return row.lane


def prove(row: Row, *, short: bool, seed: int, began: float, logs: Path) -> Proved:
    """One row in a process of its own; one that dies or takes too long has failed.

    What its system said goes to a folder of `logs` when it does not hold.
    """
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with server_folder() as folder:
        ground = Ground(f"{row.number} {row.name}", folder, short, seed, began)
        process = context.Process(target=_run, args=(ROWS.index(row), ground, theirs))
        process.start()
        theirs.close()
        outcome = _heard(ours, process, row.seconds)
        if not outcome.holds:
            _keep_logs(folder, logs / row.name)
    ground.say("holds" if outcome.holds else f"FAILED: {'; '.join(outcome.problems[:3])}")
    return row, outcome, time.monotonic() - started


def _run(index: int, ground: Ground, line: Connection) -> None:
    try:
        outcome = ROWS[index].prove(ground)
    except BaseException as error:  # noqa: BLE001 whatever it is, it stands in the table
        traceback.print_exc()
        outcome = _broken(f"{type(error).__name__}: {error}"[:500])
    line.send(outcome)


def _keep_logs(folder: Path, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for log in folder.rglob("*.log"):
        shutil.copy(log, into / "-".join(log.relative_to(folder).parts))


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
