"""Row 1: processes are killed at named moments and at random ones, under load from outside."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from tests.prove.audit import audit, served, swept
from tests.prove.kept import Kept
from tests.prove.load import Load, Mix
from tests.prove.row import Ground, Outcome, Row
from tests.prove.site import Kind, Site, site
from tests.prove.waiting import becomes

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
)
EDGE = ("E1.heard", "E2.forgotten", "E3.bookmarked")
POINTS = {"gateway": GATEWAY, "pipeline": PIPELINE, "edge": EDGE}

# Rare moments: their first one kills. Of the others the first to the third.
_RARE = ("R", "F", "E", "U", "D")
_REACH_SECONDS = 40.0
_MIX = Mix(poison=1)


class Killed(NamedTuple):
    """What was killed, how often."""

    points: Counter[str]
    random: Counter[str]


def prove(kind: Kind, ground: Ground) -> Outcome:
    """All of it on one kind of database."""
    return asyncio.run(_prove(kind, ground))


async def _prove(kind: Kind, ground: Ground) -> Outcome:
    chance = random.Random(ground.seed)
    killed = Killed(Counter(), Counter())
    async with site(kind, ground.folder, PROVE_FAULTY_CHILDREN="1") as system:
        load = Load(system.apis, system.edges, system.key, mix=_MIX, clients=8, seed=ground.seed)
        async with load.running() as books:
            await _named(system, ground, killed, books.problems)
            await _at_random(system, ground, chance, killed)
            await load.until(ground.times(2000, short=10), 600)
        ground.say(f"{books.accepted} accepted, {dict(books.statuses)}; settling")
        await swept(system)
        wrong = await served(system, books, 100)
        found = await asyncio.to_thread(audit, system, books)
    outcome = found.outcome(
        **{"crash points": len(killed.points), "killed there": killed.points.total()},
        **{f"killed {name}": count for name, count in sorted(killed.random.items())},
    )
    return _with_problems(outcome, wrong)


def _with_problems(outcome: Outcome, problems: Iterable[str]) -> Outcome:
    return Outcome(
        **{
            name: getattr(outcome, name) for name in Outcome.__struct_fields__ if name != "problems"
        },
        problems=(*outcome.problems, *problems),
    )


async def _named(system: Site, ground: Ground, killed: Killed, problems: list[str]) -> None:
    """Each role dies at each of its points, the roles beside each other where they are several."""
    rounds = ground.times(5, short=1)
    chance = random.Random(ground.seed + 1)

    async def through(role: str) -> None:
        points = [point for point in POINTS[role] for _ in range(rounds)]
        if ground.short:
            points = chance.sample(points, 3 if role != "edge" else 1)
        chance.shuffle(points)
        for point in points:
            await _die_at(point, system, system.role(role), killed, problems)
            if killed.points.total() % 20 == 0:
                ground.say(f"{killed.points.total()} killed at {len(killed.points)} points")

    if system.kind == "sqlite":
        for role in POINTS:
            await through(role)
    else:
        await asyncio.gather(*map(through, POINTS))


async def _die_at(
    point: str, system: Site, process: Kept, killed: Killed, problems: list[str]
) -> None:
    """Start a life that ends at this point, and wait for its end."""
    if point == "R2.swept":
        _litter(system)
    hits = 1 if point.startswith(_RARE) else 1 + killed.points[point] % 3
    process.arms.append(f"{point}:{hits}")
    process.kill()
    await becomes(lambda: process.armed == f"{point}:{hits}", 60)
    if await process.gone(_REACH_SECONDS):
        killed.points[point] += 1
    else:
        problems.append(f"{point} was not reached")


def _litter(system: Site) -> None:
    """What a kill leaves in staging, hours ago."""
    (system.objects / "staging" / "left-by-a-kill").write_bytes(b"litter")
    system.age("staging")


async def _at_random(system: Site, ground: Ground, chance: random.Random, killed: Killed) -> None:
    """One victim after the other, whatever it does: processes, render children, the bus."""
    victims = [*system.kept, "child", "child", "nats-server"]
    while killed.random.total() < ground.times(200, short=5):
        victim = chance.choice(victims)
        if await _kill(victim, system, chance):
            killed.random[victim] += 1
            if killed.random.total() % 20 == 0:
                ground.say(f"{killed.random.total()} killed at random")
        await asyncio.sleep(chance.uniform(0.2, 1.8))


async def _kill(victim: str, system: Site, chance: random.Random) -> bool:
    if victim == "child":
        return system.role("pipeline").kill_child(chance)
    if victim != "nats-server":
        return system.kept[victim].kill()
    return system.kill_nats()


def _row(kind: Kind) -> Row:
    promise = "38 crash points x 5 and 200 random kill -9: nothing lost, nothing twice"
    return Row("1", f"kills-{kind}", promise, lambda ground: prove(kind, ground), lane=kind)


SQLITE, POSTGRES = _row("sqlite"), _row("postgres")
