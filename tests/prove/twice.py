"""Row 4: everything is said again, and every request sent again; nothing happens a second time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import nats
from nats.js import JetStreamContext
from sqlmodel import Session, col, func, select

from models.events import DELETIONS, ORDERS, PURGES
from models.records import LedgerEntry, Master, Order, Outbox, Variant, new_id
from tests.prove.audit import audit, settled, swept
from tests.prove.books import Books
from tests.prove.load import Load, Mix, form
from tests.prove.row import Ground, Outcome, Row
from tests.prove.site import Kind, Site, site
from tests.prove.waiting import becomes_so
from tests.system.drawn import photo

_WINDOW = 125.0  # JetStream forgets message ids after two minutes
_MIX = Mix(upload=10, update=2, delete=2, convert=0, damaged=1, leave=0, look=0)
_AT_ONCE = 8


class Effects(NamedTuple):
    """Everything that a message may have, counted."""

    entries: int
    variants: int
    masters: int
    orders: int


def prove(kind: Kind, ground: Ground) -> Outcome:
    """On one kind of database."""
    return asyncio.run(_prove(kind, ground))


async def _prove(kind: Kind, ground: Ground) -> Outcome:
    async with site(kind, ground.folder) as system:
        async with _stream(system) as stream:
            books, said, other = await _everything_twice(system, stream, ground)
        await swept(system)
        found = await asyncio.to_thread(audit, system, books)
    twice, problems = found.twice + len(other), (*found.problems, *other[:5])
    return found._replace(twice=twice, problems=problems).outcome(**said)


async def _everything_twice(
    system: Site, stream: JetStreamContext, ground: Ground
) -> tuple[Books, dict[str, int], list[str]]:
    """What clients were told, how much was said again, and what had an effect."""
    wanted, keys = ground.times(1000, short=40), ground.times(1000, short=20)
    mixed = Load(system.apis, system.edges, system.key, mix=_MIX, seed=ground.seed)
    async with mixed.running() as books:
        early = await _said_while_at_work(system, stream, wanted // 4)
        await mixed.until(wanted // 8, 300)
    ground.say(f"{early} orders said again before they were done")
    requests = Load(system.apis, system.edges, system.key, mix=_MIX)
    answers = await _sent(requests, keys)
    await settled(system)
    _add(books, requests.books)
    first, before = time.monotonic(), await _effects(system)
    late = await _said_again(system, stream, wanted - early, known=False)
    ground.say(f"{late} messages said again with new ids")
    other = await _differing(requests, answers)
    ground.say(f"{len(answers)} requests sent again, {len(other)} answers differ")
    past = 0
    if not ground.short:
        await asyncio.sleep(max(0, first + _WINDOW - time.monotonic()))
        past = await _said_again(system, stream, wanted // 5, known=True)
        ground.say(f"{past} messages said again with their own ids, past the window")
    await _all_heard(stream)
    if before != (after := await _effects(system)):
        other.append(f"effects before {before}, after {after}")
    said = {"said again": early + late + past, "of them past the window": past}
    return books, said | {"requests sent again": len(answers)}, other


def _add(books: Books, more: Books) -> None:
    books.uploads |= more.uploads
    books.images |= more.images
    books.problems += more.problems


@contextlib.asynccontextmanager
async def _stream(system: Site) -> AsyncIterator[JetStreamContext]:
    url, token = system.nats_address()
    client = await nats.connect(url, token=token or None, max_reconnect_attempts=1)
    try:
        yield client.jetstream(timeout=10)
    finally:
        await client.close()


async def _said_while_at_work(system: Site, stream: JetStreamContext, most: int) -> int:
    """Say pending orders again under new ids, some of them several times over."""
    said = 0
    deadline = time.monotonic() + 120
    while said < most and time.monotonic() < deadline:
        with contextlib.closing(system.database()) as database:
            for row in await database.read(_pending):
                await stream.publish(row.subject, row.payload, headers=_id(new_id()))
                said += 1
        await asyncio.sleep(0.05)
    return said


def _pending(session: Session) -> Sequence[Outbox]:
    orders = select(Order.id).where(Order.state == "pending")
    subjects = [f"{ORDERS}.{one}" for one in session.exec(orders)]
    return session.exec(select(Outbox).where(col(Outbox.subject).in_(subjects))).all()


async def _said_again(system: Site, stream: JetStreamContext, most: int, *, known: bool) -> int:
    """Say what the outbox remembers once more, until it is enough; under its old ids or new."""
    with contextlib.closing(system.database()) as database:
        rows = await database.read(_announcements)
    said = 0
    while said < most:
        for row in rows[: most - said]:
            answer = await stream.publish(
                row.subject, row.payload, headers=_id(row.id if known else new_id())
            )
            if answer.duplicate:
                raise AssertionError("the bus took it for a duplicate: the window is not over")
            said += 1
        if known:
            break
    return said


def _announcements(session: Session) -> Sequence[Outbox]:
    kinds = [col(Outbox.subject).startswith(f"{kind}.") for kind in (ORDERS, DELETIONS, PURGES)]
    said = select(Outbox).where(kinds[0] | kinds[1] | kinds[2], col(Outbox.sent_at).is_not(None))
    return session.exec(said.order_by(col(Outbox.id))).all()


def _id(message: str) -> dict[str, str]:
    return {"Nats-Msg-Id": message}


async def _effects(system: Site) -> Effects:
    def count(session: Session) -> Effects:
        tables = (LedgerEntry, Variant, Master, Order)
        return Effects(*(session.exec(select(func.count()).select_from(t)).one() for t in tables))

    with contextlib.closing(system.database()) as database:
        return await database.read(count)


async def _all_heard(stream: JetStreamContext) -> None:
    async def empty() -> bool:
        return (await stream.stream_info("CALOTYPE_WORK")).state.messages == 0

    if not await becomes_so(empty, 300):
        raise AssertionError("the work stream does not become empty")


async def _sent(load: Load, keys: int) -> dict[str, Any]:
    """So many uploads, each sent by two clients at once; what was answered."""
    turns = asyncio.Semaphore(_AT_ONCE)
    answers: dict[str, Any] = {}

    async def upload(number: int) -> None:
        key = f"replayed-{number}"
        async with turns:
            pair = (load.ask("POST", "/api/v1/images", key, **_body(number)) for _ in range(2))
            one, other = await asyncio.gather(*pair)
        if one is None or other is None or one.content != other.content:
            load.books.problems.append(f"{key}: two clients were told different things")
        elif one.status_code == 200:
            answers[key] = one.content
            load.books.uploads[key] = one.json()["data"]
            load.books.images |= {image["id"]: image for image in one.json()["data"]}

    await asyncio.gather(*map(upload, range(keys)))
    return answers


def _body(number: int) -> dict[str, Any]:
    return form(photo(24 + number % 40, 16 + number // 40 % 40))


async def _differing(load: Load, answers: dict[str, Any]) -> list[str]:
    """Keys whose request, sent again, is answered otherwise, or not from memory."""
    turns = asyncio.Semaphore(_AT_ONCE)
    other = []

    async def again(key: str) -> None:
        async with turns:
            body = _body(int(key.rpartition("-")[2]))
            answer = await load.ask("POST", "/api/v1/images", key, **body)
        if (
            answer is None
            or answer.content != answers[key]
            or answer.headers.get("idempotency-replayed") != "true"
        ):
            other.append(f"{key} was answered otherwise")

    await asyncio.gather(*map(again, answers))
    return other


def _row(kind: Kind) -> Row:
    promise = "1,000 redeliveries, also past the window, and 1,000 replayed keys: no second effect"
    return Row("4", f"twice-{kind}", promise, partial(prove, kind))


SQLITE, POSTGRES = _row("sqlite"), _row("postgres")
