"""Row 1: processes are killed at named moments and at random ones, under load from outside."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from sqlmodel import Session, col, select, update

from models import ledger
from models.columns import now
from models.records import Account, LedgerEntry, Order, new_id
from tests.gemini import gemini_server
from tests.prove.audit import audit, served, swept
from tests.prove.load import Load, Mix
from tests.prove.row import Ground, Outcome, Row
from tests.prove.site import Kind, Site, site
from tests.prove.waiting import becomes
from tests.system.drawn import photo

GATEWAY = (
    *("G1.before_sync", "G1.staged", "G2.before_commit", "G2.committed"),
    *("G3.before_publish", "G3.published", "G3.marked", "A1.before_keep", "A2.kept"),
    *("C1.reserved", "C2.before_capture", "C3.captured", "D1.before_commit", "D1.committed"),
)
PIPELINE = (
    *("W1.fetched", "W2.rendered", "W2.before_sync", "W2.stored", "W3.before_commit"),
    *("W3.committed", "W4.acked", "W4.swept", "U3.before_commit", "U4.before_drop", "U4.dropped"),
    *("F1.counted", "F3.before_commit", "F3.committed", "F4.dead"),
    *("D2.before_erase", "D2.erased", "D3.dropped", "R1.announced", "R2.swept", "R3.refunded"),
    *("M1.answered", "M2.staged", "M3.noted", "M4.kept"),
)
EDGE = ("E1.heard", "E2.forgotten", "E3.bookmarked")
POINTS = {"gateway": GATEWAY, "pipeline": PIPELINE, "edge": EDGE}

_RARE = ("R", "F", "E", "U", "D", "M")
_REACH_SECONDS = 80.0
"""The reconciler comes every minute: what it did not find at its start it meets a little later."""
_TRIES = 6
_MIX = Mix(upload=16, damaged=1, poison=1, generate=1)
_CLIENTS, _PAUSE = 16, 2.0
"""Many, for most of them wait for somebody who is dead; and seldom, for whoever was killed has to
start again on the same processors.
"""

_LEADS_TO = {
    "convert": ("A", "C"),
    "delete": ("D", "E"),
    "update": ("U",),
    "poison": ("F1", "F4"),
    "damaged": ("F3",),
    "generate": ("M",),
}
"""What clients do that comes to a crash point, by how its name begins; uploads come to others."""
_OFTEN = 12


class Killed(NamedTuple):
    """What was killed, how often."""

    points: Counter[str]
    random: Counter[str]


def prove(kind: Kind, ground: Ground) -> Outcome:
    """All of it on one kind of database."""
    with gemini_server(photo(64, 48)) as gemini:
        return asyncio.run(_prove(kind, ground, gemini.environment))


async def _prove(kind: Kind, ground: Ground, model: dict[str, str]) -> Outcome:
    killed = Killed(Counter(), Counter())
    async with site(kind, ground.folder, PROVE_FAULTY_CHILDREN="1", **model) as system:
        load = _load(system, ground)
        for process in system.kept.values():
            process.before = partial(_set_the_scene, system, load)
        async with load.running() as books:
            await _named(system, ground, killed, books.problems)
            await _at_random(system, ground, killed)
            if not await load.until(ground.times(2000, short=10), 900):
                books.problems.append("too few uploads were accepted")
        ground.say(f"{books.accepted} accepted, {dict(books.statuses)}; settling")
        await swept(system)
        books.problems += await served(system, books, 100)
        found = await asyncio.to_thread(audit, system, books)
    return found.outcome(
        **{"crash points": len(killed.points), "killed there": killed.points.total()},
        **{f"killed {name}": count for name, count in sorted(killed.random.items())},
    )


def _load(system: Site, ground: Ground) -> Load:
    where = (system.apis, system.edges, system.key)
    return Load(*where, mix=_MIX, clients=_CLIENTS, pause=_PAUSE, seed=ground.seed)


async def _named(system: Site, ground: Ground, killed: Killed, problems: list[str]) -> None:
    """Each role dies at each of its points, the roles beside each other where they are several."""
    rounds = ground.times(5, short=1)
    chance = random.Random(ground.seed + 1)

    async def through(role: str) -> None:
        points = list(POINTS[role])
        if ground.short:
            points = chance.sample(points, max(1, len(points) // 12))
        lives = [f"{point}:{_hits(point, n)}" for n in range(rounds) for point in points]
        for _ in range(_TRIES):
            lives = [life async for life in _not_ended(lives, system, role, killed, ground)]
        problems.extend(f"{life} was not reached" for life in lives)

    if system.kind == "sqlite":
        for role in POINTS:
            await through(role)
    else:
        await asyncio.gather(*map(through, POINTS))


def _hits(point: str, number: int) -> int:
    """Which time kills: of rare moments the first, of the others the first to the third."""
    return 1 if point.startswith(_RARE) else 1 + number % 3


async def _not_ended(
    lives: list[str], system: Site, role: str, killed: Killed, ground: Ground
) -> AsyncIterator[str]:
    """Live all these lives, one after the other; those that did not end by themselves."""
    process = system.role(role)
    process.arms.extend(lives)
    seen = process.starts
    if lives:
        process.kill()
    for life in lives:
        await becomes(lambda: process.starts > seen, 120)  # noqa: B023 called at once
        seen = process.starts
        if await process.gone(_REACH_SECONDS):
            killed.points[life.partition(":")[0]] += 1
            if killed.points.total() % 20 == 0:
                ground.say(f"{killed.points.total()} killed at {len(killed.points)} points")
        else:
            ground.say(f"{life} was not reached in this life")
            process.kill()
            yield life


def _set_the_scene(system: Site, load: Load, armed: str) -> None:
    """What clients have to do in the life that begins now, and what the reconciler is to find in
    it: left by other kills, long ago.
    """
    load.mix = _mix_for(one.armed for one in system.kept.values())
    if armed.startswith("R1"):  # the messages of what waits are gone
        system.lose_stream()
        in_database(system, _age_orders)
    if armed.startswith("R2"):  # an upload died before it was accepted
        (system.objects / "staging" / new_id()).write_bytes(b"litter")
        system.age("staging")
    if armed.startswith("R3"):  # a conversion died before it was charged
        in_database(system, _reserve)


def _mix_for(armed: Iterable[str]) -> Mix:
    """The usual, and often what leads to where somebody is to die."""
    points = [*armed]
    words = [w for w, begin in _LEADS_TO.items() if any(one.startswith(begin) for one in points)]
    return _MIX._replace(**dict.fromkeys(words, _OFTEN))


def in_database(system: Site, work: Callable[[Session], None]) -> None:
    """One transaction past the system."""
    with contextlib.closing(system.database()) as database, Session(database.engine) as session:
        work(session)
        session.commit()


def _age_orders(session: Session) -> None:
    old = now() - timedelta(minutes=1)
    session.exec(update(Order).where(col(Order.state) == "pending").values(created_at=old))


def _reserve(session: Session) -> None:
    operation, old = new_id(), now() - timedelta(hours=2)
    ledger.reserve(session, session.exec(select(Account.id)).one(), operation, 1)
    mine = col(LedgerEntry.operation_id) == operation
    session.exec(update(LedgerEntry).where(mine).values(created_at=old))


async def _at_random(system: Site, ground: Ground, killed: Killed) -> None:
    """One victim after the other, whatever it does: processes, render children, the bus."""
    chance = random.Random(ground.seed)
    victims = [*system.kept, "child", "child", "nats-server"]
    while killed.random.total() < ground.times(200, short=3):
        victim = chance.choice(victims)
        if _kill(victim, system, chance):
            killed.random[victim] += 1
            if killed.random.total() % 20 == 0:
                ground.say(f"{killed.random.total()} killed at random")
        await asyncio.sleep(chance.uniform(0.1, 1.4))


def _kill(victim: str, system: Site, chance: random.Random) -> bool:
    if victim == "child":
        return system.role("pipeline").kill_child(chance)
    if victim != "nats-server":
        return system.kept[victim].kill()
    return system.kill_nats()


def _row(kind: Kind) -> Row:
    promise = "42 crash points x 5 and 200 random kill -9: nothing lost, nothing twice"
    return Row("1", f"kills-{kind}", promise, partial(prove, kind), lane=kind)


SQLITE, POSTGRES = _row("sqlite"), _row("postgres")
