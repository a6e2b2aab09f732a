"""Whether what was found is well. A pure function: facts in, sentences out."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway.status.facts import Base, Bus, Facts
from models.roll import Present
from models.schema import newest, unfit
from models.wire import Wire

ROLES = ("gateway", "pipeline", "edge")

_BACKLOG_AGE = timedelta(minutes=5)
_OUTBOX_AGE = timedelta(minutes=1)
_ROUND_AGE = timedelta(minutes=5)
_STARTING = timedelta(minutes=5)
_ROUNDS = "calotype_reconciler_last_round_timestamp_seconds/round"
_BALANCES = "calotype_reconciler_last_findings/balances"
_TIERS = "calotype_edge_requests_total/"


class Verdict(Wire, frozen=True):
    """Healthy when there is no problem. Notes are worth knowing, and no reason to get up."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def judge(facts: Facts) -> Verdict:
    """What is wrong, and what is worth knowing."""
    problems = [f"{part}: {reason}" for part, reason in facts.away.items()]
    notes: list[str] = []
    if facts.bus is not None:
        problems += [*_roles(facts.bus), *_rounds(facts), *_ledger(facts.bus)]
        notes += _versions(facts.bus)
    elif facts.api is not None:
        notes.append(f"the API answers at {facts.api}; only the bus can tell who else is there")
    elif facts.running:
        notes.append(f"a process holds the folder {facts.where}, and its API does not answer")
    if facts.base is not None:
        problems += _waiting(facts.base, facts.looked)
        notes += _dead(facts.base)
    return Verdict(problems=tuple(problems), notes=tuple(notes))


def _roles(bus: Bus) -> Iterator[str]:
    there = {one.role for one in bus.present}
    for role in ROLES:
        if not there & {role, "up"}:
            yield f"no {role} is there"
    for one in bus.present:
        if not one.ready:
            why = ", ".join(f"{name}: {reason}" for name, reason in one.lacking.items())
            yield f"{one.role} {one.id} is not ready" + (f" ({why})" if why else "")
    if not bus.streams:
        yield "message bus: the streams are not there; a running pipeline makes them anew"


def _rounds(facts: Facts) -> Iterator[str]:
    """A system that has just started has not come round yet."""
    pipelines = [one for one in present(facts) if one.role in ("up", "pipeline")]
    started = max((one.started for one in pipelines), default=facts.looked.timestamp())
    last, now = last_round(facts), facts.looked.timestamp()
    if last is None or now - started < _STARTING.total_seconds():
        return
    age = facts.looked - last
    if age > _ROUND_AGE:
        yield f"the last reconciliation was {span(age)} ago; it is due every minute"


def _ledger(bus: Bus) -> Iterator[str]:
    wrong = max((one.figures.get(_BALANCES, 0) for one in bus.present), default=0)
    if wrong:
        yield f"{wrong:g} accounts have other credits than their ledger says: 'calotype reconcile'"


def _versions(bus: Bus) -> Iterator[str]:
    releases = sorted({one.version for one in bus.present})
    if len(releases) > 1:
        yield f"several releases at work: {', '.join(releases)}"


def _waiting(base: Base, now: datetime) -> Iterator[str]:
    if unfit(base.schema):
        yield (
            f"database: its schema is {base.schema or 'empty'}, this release needs {newest()}: "
            "'calotype migrate'"
        )
    told = base.backlog
    if told.oldest and now - told.oldest > _BACKLOG_AGE:
        yield f"order {told.oldest_order} is unfinished since {span(now - told.oldest)}"
    if told.oldest_unsent and now - told.oldest_unsent > _OUTBOX_AGE:
        age = span(now - told.oldest_unsent)
        yield f"{told.unsent} announcements have not reached the bus, the oldest for {age}"


def _dead(base: Base) -> Iterator[str]:
    if dead := base.backlog.dead:
        letters = "1 dead letter" if dead == 1 else f"{dead} dead letters"
        yield f"{letters} to look at: 'calotype dead list'"


def present(facts: Facts) -> tuple[Present, ...]:
    """Who is there."""
    return facts.bus.present if facts.bus else ()


def last_round(facts: Facts) -> datetime | None:
    """When anybody reconciled last, None when nobody says so."""
    told = max((one.figures.get(_ROUNDS, 0) for one in present(facts)), default=0)
    return datetime.fromtimestamp(told, UTC) if told else None


def hits(facts: Facts) -> dict[str, int]:
    """The answers of all edges since they started, by tier."""
    found = dict.fromkeys(("memory", "disk", "store", "render"), 0)
    for one in present(facts):
        for tier in found:
            found[tier] += int(one.figures.get(f"{_TIERS}{tier}", 0))
    return found


def hit_rate(facts: Facts) -> float | None:
    """The share of answers that came from memory or disk; None before the first one."""
    by_tier = hits(facts)
    total = sum(by_tier.values())
    return (by_tier["memory"] + by_tier["disk"]) / total if total else None


def span(age: timedelta) -> str:
    """An age for people: 3 s, 5 min, 2 h, 4 days."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
