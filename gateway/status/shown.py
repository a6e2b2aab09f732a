"""Facts and verdict on one screen, or as JSON."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.status.facts import Base, Facts
from gateway.status.verdict import Verdict, hit_rate, hits, last_round, present, span
from gateway.views import iso


def as_json(facts: Facts, verdict: Verdict) -> str:
    """One object, for programs."""
    base, bus, last = facts.base, facts.bus, last_round(facts)
    told = {
        "healthy": verdict.healthy,
        "problems": verdict.problems,
        "notes": verdict.notes,
        "roles": [msgspec.to_builtins(one) | {"ready": one.ready} for one in present(facts)],
        "backlog": base and _backlog(base),
        "queue": bus
        and {"waiting": bus.waiting, "inWork": bus.in_work, "redelivered": bus.redelivered},
        "deadLetters": base and base.backlog.dead,
        "cache": {"hitRate": hit_rate(facts), "answers": hits(facts)},
        "lastReconcile": last and iso(last),
        "versions": dict(_versions(facts)),
        "away": facts.away,
        "api": facts.api,
    }
    return json.dumps(told)


def _backlog(base: Base) -> dict[str, object]:
    told = base.backlog
    return {
        "unfinished": told.pending,
        "oldestOrder": told.oldest_order or None,
        "oldestSince": told.oldest and iso(told.oldest),
        "unannounced": told.unsent,
        "unannouncedSince": told.oldest_unsent and iso(told.oldest_unsent),
    }


def show(facts: Facts, verdict: Verdict) -> None:
    """One screen."""
    parts = [part for part in (_roles(facts), _figures(facts)) if part.row_count]
    console = Console(highlight=False)
    colour = "green" if verdict.healthy else "red"
    title = f"[bold {colour}]{'healthy' if verdict.healthy else 'not healthy'}[/]"
    console.print(
        Panel(_with_gaps(parts, verdict), title=title, subtitle=facts.where, border_style=colour)
    )


def _with_gaps(parts: list[Table], verdict: Verdict) -> Group:
    lines: list[RenderableType] = []
    for part in parts:
        lines += [part, Text()]
    lines += [Text(f"✗ {problem}", style="red") for problem in verdict.problems]
    lines += [Text(f"! {note}", style="yellow") for note in verdict.notes]
    if not verdict.problems:
        lines.append(Text("✓ nothing is wrong", style="green"))
    return Group(*lines)


def _roles(facts: Facts) -> Table:
    table = Table(
        "role", "process", "release", "up for", "state", "where", show_edge=False, box=None
    )
    for one in present(facts):
        up = facts.looked - datetime.fromtimestamp(one.started, UTC)
        where = "  ".join(address for address in (one.api, one.edge) if address)
        state = "[green]ready[/]" if one.ready else "[red]not ready[/]"
        table.add_row(f"[bold]{one.role}[/]", one.id, one.version, span(up), state, where)
    return table


def _figures(facts: Facts) -> Table:
    table = Table.grid(padding=(0, 3))
    for name, value in (*_work(facts), *_cache(facts), *_versions(facts)):
        table.add_row(f"[dim]{name}[/]", value)
    return table


def _work(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.base is not None:
        told = facts.base.backlog
        since = f", the oldest for {span(facts.looked - told.oldest)}" if told.oldest else ""
        yield "unfinished orders", f"{told.pending}{since}"
        yield "dead letters", f"{told.dead}"
    if facts.bus is not None:
        bus = facts.bus
        redelivered = f", {bus.redelivered} delivered again" if bus.redelivered else ""
        yield "queue", f"{bus.waiting} waiting, {bus.in_work} in work{redelivered}"
        last = last_round(facts)
        yield "last reconcile", f"{span(facts.looked - last)} ago" if last else "not yet"


def _cache(facts: Facts) -> Iterator[tuple[str, str]]:
    rate = hit_rate(facts)
    if rate is not None:
        tiers = ", ".join(f"{tier} {count:,}" for tier, count in hits(facts).items())
        yield "cache hits", f"{rate:.1%} ({tiers})"
    elif facts.bus is not None:
        yield "cache hits", "nothing was asked yet"


def _versions(facts: Facts) -> Iterator[tuple[str, str]]:
    if releases := sorted({one.libvips for one in present(facts) if one.libvips}):
        yield "libvips", ", ".join(releases)
    if facts.bus is not None:
        yield "NATS", facts.bus.version
    if facts.base is not None:
        yield "database", f"{facts.base.version}, schema {facts.base.schema or 'empty'}"
