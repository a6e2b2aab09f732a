"""Findings for people, a line each as they come, or as JSON."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from gateway.doctor.finding import Finding
from gateway.doctor.run import examine

_SIGNS = {"ok": "✓", "warning": "!", "wrong": "✗", "skipped": "-"}
_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "bold red", "skipped": "dim"}


async def show_all(
    environment: Mapping[str, str], given: Mapping[str, object], *, quiet: bool
) -> list[Finding]:
    """Every finding; shown as it is made unless `quiet`."""
    console, found = Console(highlight=False, quiet=quiet), []
    async for one in examine(environment, **given):
        found.append(one)
        console.print(_line(one))
    console.print(f"\n{_summed_up(found)}")
    return found


def as_json(found: Sequence[Finding]) -> str:
    """One object, for programs."""
    healthy = all(one.state != "wrong" for one in found)
    return json.dumps(
        {"healthy": healthy, "findings": [msgspec.structs.asdict(one) for one in found]}
    )


def _line(one: Finding) -> Text:
    text = Text(f"{_SIGNS[one.state]} ", style=_COLOURS[one.state])
    text.append(f"{one.what}: ", style="bold" if one.state == "wrong" else "")
    text.append(one.says, style="dim" if one.state == "skipped" else "default")
    if one.todo:
        text.append(f"\n  → {one.todo}", style="cyan")
    return text


def _summed_up(found: Sequence[Finding]) -> str:
    count = Counter(one.state for one in found)
    if not count["wrong"] and not count["warning"]:
        return "Nothing is wrong."
    return (
        f"{count['wrong']} wrong, {count['warning']} to know about, {count['ok']} as it should be."
    )
