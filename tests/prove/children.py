"""Row 5: pictures that kill, hang or fill the child that renders them, beside good ones."""

import asyncio
import contextlib
import random
import time
from collections import Counter

from sqlmodel import Session, col, select

from models.records import Order, new_id
from tests.prove.audit import audit, settled, swept
from tests.prove.books import Books
from tests.prove.load import UPLOADS_ONLY, Load, form
from tests.prove.row import Ground, Outcome, Row
from tests.prove.site import Site, site
from tests.prove.waiting import becomes
from tests.system.drawn import photo

WORDS = ("crash", "exit", "hang", "memory")
CODES = {
    "crash": {"render-crashed"},
    "exit": {"render-crashed"},
    "hang": {"render-timed-out"},
    # On a slow machine its time may be up before its memory is.
    "memory": {"render-out-of-memory", "render-timed-out"},
}
_ATTEMPTS = 3
_QUICK = {
    "CALOTYPE_DEVELOP_SECONDS": "2",
    "CALOTYPE_RENDER_SECONDS": "8",
    "CALOTYPE_RENDER_MEMORY_BYTES": str(1 << 28),
    "PROVE_FAULTY_CHILDREN": "1",
}


def prove(ground: Ground) -> Outcome:
    """On SQLite: the children do not know the database."""
    return asyncio.run(_prove(ground))


async def _prove(ground: Ground) -> Outcome:
    orders = -(-ground.times(500, short=12) // _ATTEMPTS)
    async with site("sqlite", ground.folder, **_QUICK) as system:
        load = Load(system.apis, system.edges, system.key, mix=UPLOADS_ONLY, clients=2, pause=0.05)
        async with load.running() as books:
            poisons = await _poisoned(system, orders, books, ground)
        await settled(system)
        faults, wrong = await _judged(system, poisons)
        whole = await becomes(lambda: len(_children(system)) == 2, 30)
        wrong += [] if whole else ["a child is missing"]
        wrong += [] if system.kept["up"].starts == 1 else ["the parent died"]
        await swept(system)
        found = await asyncio.to_thread(audit, system, books)
    return found._replace(problems=(*found.problems, *wrong[:5])).outcome(
        **{"faults injected": faults, "orders parked and refunded": len(poisons)},
        **{f"pictures that {word}": n for word, n in Counter(poisons.values()).items()},
    )


def _children(system: Site) -> list[int]:
    return system.kept["up"].relatives("pipeline.child")


async def _poisoned(system: Site, orders: int, books: Books, ground: Ground) -> dict[str, str]:
    """The keys of so many poisonous uploads and their words; each was refused for its own cause."""
    chance, turns, began = random.Random(ground.seed), asyncio.Semaphore(4), time.monotonic()
    poisons = {new_id(): WORDS[number % len(WORDS)] for number in range(orders)}
    load = Load(system.apis, system.edges, system.key, mix=UPLOADS_ONLY, seed=ground.seed)

    async def upload(key: str) -> None:
        picture = photo(*chance.choice([(48, 32), (32, 48)])) + f"\nPROVE:{poisons[key]}".encode()
        async with turns:
            answer = await load.ask("POST", "/api/v1/images", key, **form(picture))
        code = answer.json()["code"] if answer is not None and answer.is_client_error else "none"
        books.refused[key] = code
        if code not in CODES[poisons[key]]:
            books.problems.append(f"a picture that {poisons[key]}s was answered {code}")
        if len(books.refused) % 25 == 0:
            seconds = time.monotonic() - began
            ground.say(f"{len(books.refused)} of {orders} poisons in {seconds:.0f} s")

    await asyncio.gather(*map(upload, poisons))
    return poisons


async def _judged(system: Site, poisons: dict[str, str]) -> tuple[int, list[str]]:
    """How many faults there were, and every poison that was not tried three times and parked."""

    def failed(session: Session) -> list[Order]:
        return list(session.exec(select(Order).where(col(Order.state) != "done")))

    with contextlib.closing(system.database()) as database:
        orders = await database.read(failed)
    wrong = [
        f"order {order.id} is {order.state} after {order.attempts} attempts"
        for order in orders
        if order.state != "failed" or order.attempts != _ATTEMPTS or order.parked_at is None
    ]
    if len(orders) != len(poisons):
        wrong.append(f"{len(orders)} orders failed, {len(poisons)} were poisonous")
    return sum(order.attempts for order in orders), wrong


PROMISE = "500 crashes, hangs and memory overruns of children: neighbours unharmed, poison parked"
CHILDREN = Row("5", "children", PROMISE, prove)
