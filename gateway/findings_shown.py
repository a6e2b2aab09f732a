"""Findings, as a table for people or as JSON for programs; and progress while they are made."""

import contextlib
import json
from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from gateway.bars import bars
from pipeline.reconcile.findings import KINDS, Findings

_NAMED = 10
_TITLE = 26  # a bar, counts and times stand beside it on one line


def as_json(findings: Findings, *, dry: bool) -> str:
    """One object: how many of each kind, some of each by name, what could not be looked at."""
    named = [msgspec.structs.asdict(one) for one in findings.named]
    told = {"dryRun": dry, "found": findings.counts, "named": named, "unseen": findings.unseen}
    return json.dumps(told)


def show(findings: Findings, *, dry: bool) -> None:
    """A line for each kind that was found, and under it some of them by name."""
    console = Console(highlight=False)
    if not findings:
        console.print("Nothing is wrong.")
        return
    if findings.counts:
        console.print(_table(findings, dry=dry))
    for step, reason in findings.unseen.items():
        console.print(f"Could not {step}: {reason}")


def _table(findings: Findings, *, dry: bool) -> Table:
    table = Table("found", "how many", "would be" if dry else "was", show_edge=False)
    for kind, count in findings.counts.items():
        table.add_row(KINDS[kind].title, f"{count}", KINDS[kind].remedy, style="bold")
        named = [one for one in findings.named if one.kind == kind]
        for one in named[:_NAMED]:
            table.add_row(f"  {one.what}", "", one.note)
        if count > _NAMED:
            table.add_row(f"  and {count - _NAMED} more", "", "")
    table.columns[0].overflow = "fold"
    return table


class Told:
    """Bars of a round: its steps, and of each kind how many were looked at of about how many."""

    def __init__(self, shown: Progress, steps: int) -> None:
        self._shown = shown
        self._steps = shown.add_task("reconciling, steps", total=steps)
        self._expected: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}

    def expect(self, counts: dict[str, int]) -> None:
        """About so many of a kind there are to look at."""
        self._expected = counts

    def looked(self, kind: str, count: int) -> None:
        """So many more of a kind were looked at."""
        if kind not in self._tasks:
            title, total = KINDS[kind].title.lower(), self._expected.get(kind)
            short = title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"
            self._tasks[kind] = self._shown.add_task(f"  {short}", total=total)
        self._shown.advance(self._tasks[kind], count)

    def stepped(self) -> None:
        """A step is over."""
        self._shown.advance(self._steps, 1)


@contextlib.contextmanager
def progress(steps: int) -> Iterator[Told]:
    """What is being looked at, and how long it may still take; on a terminal, nothing elsewhere."""
    with bars() as shown:
        yield Told(shown, steps)
