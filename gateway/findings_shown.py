"""Findings, as a table for people or as JSON for programs; and progress while they are made."""

import contextlib
import json
from collections.abc import Callable, Iterator

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from pipeline.reconcile.findings import KINDS, Findings

_NAMED = 10


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


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int], None]]:
    """What is being looked at and how many of it so far, on a terminal; nothing elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f}"),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:

        def told(step: str, count: int) -> None:
            if step not in tasks:
                tasks[step] = shown.add_task(KINDS[step].title.lower(), total=None)
            shown.advance(tasks[step], count)

        yield told
