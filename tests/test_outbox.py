"""The relay: what was announced is said, by whoever is alive, as soon as somebody can hear it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from sqlmodel import Session, select, update

from models.columns import now
from models.database import Database
from models.events import OrderFinished, outcome_subject
from models.orders import announce
from models.records import Outbox
from pipeline.bus import Bus, connect
from pipeline.outbox import Relay, forget_sent, mark_sent, unsent_rows
from tests.servers import Nats

AT_ONCE = timedelta(0)


def say(session: Session, order_id: str) -> None:
    announce(session, outcome_subject(order_id), OrderFinished(order_id=order_id, state="done"))


def rows(session: Session) -> list[Outbox]:
    return list(session.exec(select(Outbox)))


@contextlib.asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_sent(database: Database, count: int, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while await database.read(how_many_sent) < count:  # noqa: ASYNC110 a database has no bell
            await asyncio.sleep(0.02)


def how_many_sent(session: Session) -> int:
    return sum(row.sent_at is not None for row in rows(session))


async def test_an_announcement_is_heard_at_once_and_marked_sent(
    database: Database, bus: Bus
) -> None:
    async with running(Relay(database, bus)), bus.listening(outcome_subject("one")) as heard:
        await database.run(say, "one")
        async with asyncio.timeout(1):
            assert b"one" in await heard.get()
        await until_sent(database, 1, 2)


async def test_many_announcements_are_heard_once_each(database: Database, bus: Bus) -> None:
    async with running(Relay(database, bus)), bus.listening("calotype.events.>") as heard:
        await asyncio.gather(*(database.run(say, f"order-{n}") for n in range(50)))
        await until_sent(database, 50)
        said = [heard.get_nowait() for _ in range(heard.qsize())]
        assert len(said) == len(set(said)) == 50


async def test_what_a_dead_process_announced_is_said_by_another(
    database: Database, bus: Bus
) -> None:
    await database.run(say, "one")  # nobody listens to this process
    relay = Relay(database, bus)
    async with bus.listening(outcome_subject("one")) as heard:
        assert await relay.sweep(timedelta(minutes=1)) == 0
        assert await relay.sweep(AT_ONCE) == 1
        assert b"one" in heard.get_nowait()
        assert await relay.sweep(AT_ONCE) == 0


async def test_a_running_relay_sweeps_by_itself(database: Database, bus: Bus) -> None:
    await database.run(say, "one")
    await database.run(make_older)
    async with running(Relay(database, bus)):
        await until_sent(database, 1, 5)


def make_older(session: Session) -> None:
    session.exec(update(Outbox).values(created_at=now() - timedelta(minutes=1)))


async def test_two_relays_may_say_it_twice_but_it_is_heard_once_by_the_pipeline(
    database: Database, bus: Bus
) -> None:
    await database.run(say, "one")
    relays = [Relay(database, bus) for _ in range(4)]
    await asyncio.gather(*(relay.sweep(AT_ONCE) for relay in relays))
    info = await bus.jetstream.stream_info("CALOTYPE_EVENTS")
    assert info.state.messages == 1


async def test_while_the_bus_is_away_rows_stay_and_then_they_go(
    database: Database, nats: Nats, bus: Bus
) -> None:
    async with running(Relay(database, bus)):
        nats.kill()
        await database.run(say, "one")
        await asyncio.sleep(0.5)
        (row,) = await database.read(rows)
        assert row.sent_at is None
        nats.start()
        await until_sent(database, 1)


async def test_a_closed_bus_does_not_stop_the_relay(database: Database, nats: Nats) -> None:
    bus = await connect(nats.url, nats.token)
    await bus.aclose()
    relay = Relay(database, bus)
    task = asyncio.create_task(relay.run())
    await database.run(say, "one")
    await asyncio.sleep(0.3)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (row,) = await database.read(rows)
    assert row.sent_at is None


async def test_unsent_rows_come_oldest_first(database: Database) -> None:
    for number in range(5):
        await database.run(say, f"order-{number}")
        await asyncio.sleep(0.002)
    found = await database.read(unsent_rows, now() + timedelta(seconds=1))
    assert [row.created_at for row in found] == sorted(row.created_at for row in found)
    await database.run(mark_sent, [row.id for row in found[:3]])
    assert len(await database.read(unsent_rows, now() + timedelta(seconds=1))) == 2


async def test_only_what_was_sent_long_ago_is_forgotten(database: Database) -> None:
    for number in range(3):
        await database.run(say, f"order-{number}")
    first, second, _ = await database.read(rows)
    await database.run(mark_sent, [first.id, second.id])
    await database.run(sent_at, first.id, now() - timedelta(days=1))
    assert await database.run(forget_sent) == 1
    assert {row.id for row in await database.read(rows)} >= {second.id}
    assert len(await database.read(rows)) == 2


def sent_at(session: Session, row_id: str, moment: object) -> None:
    session.get_one(Outbox, row_id).sent_at = moment  # type: ignore[assignment]
