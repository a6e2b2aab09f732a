"""The database: a function is a transaction, whole or not at all, and only then talked about."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from models.accounts import find_account, list_accounts, open_account
from models.database import Database, budgeted, open_database, open_postgres, open_sqlite
from models.errors import NotFound, Unavailable
from models.events import Purged, purge_subject
from models.orders import announce
from models.records import Account, Outbox
from tests.faults import FaultProxy
from tests.servers import Postgres


def add(session: Session, name: str) -> None:
    session.add(Account(name=name))


def add_and_break(session: Session, name: str) -> None:
    session.add(Account(name=name))
    session.flush()
    raise LookupError


def names(session: Session) -> list[str]:
    return [account.name for account in list_accounts(session)]


def count_up(session: Session) -> None:
    """Read, think, write: what loses updates where a transaction is none."""
    account = session.exec(select(Account).with_for_update()).one()
    before = account.credits_free
    time.sleep(0.001)
    account.credits_free = before + 1


def tell(session: Session, bucket: str) -> None:
    announce(session, purge_subject(bucket), Purged(bucket=bucket, keys=[]))


def tell_and_break(session: Session) -> None:
    tell(session, "never")
    session.flush()
    raise LookupError


async def test_what_a_function_did_is_there_when_it_returns(database: Database) -> None:
    await database.run(add, "somebody")
    assert await database.read(names) == ["somebody"]


async def test_a_function_that_raises_did_nothing(database: Database) -> None:
    with pytest.raises(LookupError):
        await database.run(add_and_break, "nobody")
    assert await database.read(names) == []


async def test_a_broken_rule_of_the_schema_undoes_the_function(database: Database) -> None:
    await database.run(add, "somebody")
    with pytest.raises(IntegrityError):
        await database.run(add, "somebody")
    assert await database.read(names) == ["somebody"]


async def test_a_caller_that_goes_away_leaves_a_whole_transaction(database: Database) -> None:
    begun, may_end = threading.Event(), threading.Event()
    heard: asyncio.Queue[Outbox] = asyncio.Queue()
    database.on_announced(lambda rows: [heard.put_nowait(row) for row in rows])

    def slowly(session: Session) -> None:
        add(session, "one")
        session.flush()
        tell(session, "one")
        begun.set()
        may_end.wait(5)
        add(session, "two")

    call = asyncio.create_task(database.run(slowly))
    await asyncio.to_thread(begun.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    may_end.set()
    async with asyncio.timeout(5):
        row = await heard.get()
    assert row.subject == purge_subject("one")
    assert await database.read(names) == ["one", "two"]


async def test_announcements_are_heard_after_the_commit_and_only_then(database: Database) -> None:
    heard: list[str] = []
    database.on_announced(lambda rows: heard.extend(row.subject for row in rows))

    def tell_and_listen(session: Session) -> list[str]:
        tell(session, "some")
        session.flush()
        time.sleep(0.05)
        return list(heard)

    assert await database.run(tell_and_listen) == []
    assert heard == [purge_subject("some")]
    with pytest.raises(LookupError):
        await database.run(tell_and_break)
    await database.run(add, "nothing to say")
    assert heard == [purge_subject("some")]


async def test_what_listeners_get_can_be_read_without_the_database(database: Database) -> None:
    heard: list[Sequence[Outbox]] = []
    database.on_announced(heard.append)
    await database.run(tell, "some")
    database.close()
    ((row,),) = heard
    assert row.id
    assert b"some" in row.payload


async def test_a_crowd_that_reads_and_writes_loses_no_update(database: Database) -> None:
    await database.run(add, "somebody")
    await asyncio.gather(*(database.run(count_up) for _ in range(60)))
    assert (await database.read(find_account, "somebody")).credits_free == 60


async def test_two_processes_worth_of_writers_on_sqlite_lose_no_update(sqlite_file: Path) -> None:
    with (
        contextlib.closing(open_sqlite(sqlite_file, 1)) as one,
        contextlib.closing(open_sqlite(sqlite_file, 1)) as other,
    ):
        await one.run(add, "somebody")
        await asyncio.gather(*(which.run(count_up) for _ in range(30) for which in (one, other)))
        assert (await one.read(find_account, "somebody")).credits_free == 60


async def test_readers_on_sqlite_do_not_wait_for_a_writer(sqlite: Database) -> None:
    await sqlite.run(add, "before")
    begun, may_end = threading.Event(), threading.Event()

    def slowly(session: Session) -> None:
        add(session, "after")
        session.flush()
        begun.set()
        may_end.wait(5)

    writing = asyncio.create_task(sqlite.run(slowly))
    await asyncio.to_thread(begun.wait, 5)
    async with asyncio.timeout(1):
        assert await sqlite.read(names) == ["before"]
    may_end.set()
    await writing
    assert await sqlite.read(names) == ["before", "after"]


async def test_sqlite_is_opened_so_that_a_power_cut_loses_nothing(sqlite: Database) -> None:
    def pragmas(session: Session) -> list[object]:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [session.connection().execute(text(f"PRAGMA {name}")).scalar() for name in asked]

    for ask in (sqlite.run, sqlite.read):
        assert await ask(pragmas) == ["wal", 2, 1, 10000]


async def test_a_row_cannot_point_to_nothing(database: Database) -> None:
    def dangle(session: Session) -> None:
        session.connection().execute(
            text(
                "INSERT INTO bucket (id, account_id, key, public_id, is_primary, created_at) "
                "VALUES ('b', 'nobody', 'k', 'p', true, CURRENT_TIMESTAMP)"
            )
        )

    with pytest.raises(IntegrityError):
        await database.run(dangle)


async def test_sqlite_goes_on_after_an_open_file_was_killed(sqlite_file: Path) -> None:
    with contextlib.closing(open_sqlite(sqlite_file, 1)) as one:
        await one.run(add, "somebody")
        copy = sqlite_file.with_name("copy.sqlite")
        for ending in ("", "-wal"):
            found = sqlite_file.with_name(sqlite_file.name + ending).read_bytes()
            copy.with_name(copy.name + ending).write_bytes(found)
    with contextlib.closing(open_sqlite(copy, 1)) as again:
        assert await again.read(names) == ["somebody"]


def test_without_an_address_it_is_sqlite_in_the_folder(memory: Path) -> None:
    open_database("", memory).close()
    with contextlib.closing(open_database("", memory)) as database:
        with database.engine.connect():
            pass
        assert (memory / "calotype.sqlite").exists()


# Postgres goes away


@pytest.fixture
async def line(postgres: Postgres) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", postgres.port) as proxy:
        yield proxy


def through(line: FaultProxy, url: str, postgres: Postgres) -> str:
    return url.replace(str(postgres.port), str(line.port))


async def test_a_postgres_that_went_away_is_unavailable_and_comes_back(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    with contextlib.closing(open_postgres(through(line, postgres_url, postgres), 2)) as database:
        await database.run(open_account, "before", 0, 0)
        line.down()
        for work in (database.run, database.read):
            async with asyncio.timeout(5):
                with pytest.raises(Unavailable):
                    await work(names)
        await line.up()
        assert await database.read(names) == ["before"]


async def test_connections_that_were_cut_are_replaced_without_an_error(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    with contextlib.closing(open_postgres(through(line, postgres_url, postgres), 2)) as database:
        for number in range(5):
            await database.run(add, f"account {number}")
            line.reset()
        assert len(await database.read(names)) == 5


async def test_a_commit_that_is_cut_off_is_unavailable(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    def add_and_cut(session: Session) -> None:
        add(session, "half")
        session.flush()
        loop.call_soon_threadsafe(line.reset)
        time.sleep(0.1)

    loop = asyncio.get_running_loop()
    with contextlib.closing(open_postgres(through(line, postgres_url, postgres), 2)) as database:
        with pytest.raises(Unavailable):
            await database.run(add_and_cut)
        assert await database.read(names) == []


async def test_a_postgres_that_accepts_and_says_nothing_is_unavailable_in_time(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    line.freeze()
    with contextlib.closing(open_postgres(through(line, postgres_url, postgres), 2)) as database:
        async with asyncio.timeout(15):
            with pytest.raises(Unavailable):
                await database.read(names)


async def test_a_postgres_that_freezes_in_the_middle_is_unavailable_in_time_and_comes_back(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    address = through(line, postgres_url, postgres)
    with contextlib.closing(open_postgres(address, 2, patience=1)) as database:
        await database.run(add, "before")
        assert await database.read(names) == ["before"]
        line.freeze()
        for call in (database.run(add, "perhaps"), database.read(names)):
            async with asyncio.timeout(8):
                with pytest.raises(Unavailable):
                    await call
        await line.heal()
        await until_it_answers(database)
        assert "before" in await database.read(names)


async def until_it_answers(database: Database) -> None:
    async with asyncio.timeout(20):
        while not await answers(database):  # noqa: ASYNC110 it is the server that is watched
            await asyncio.sleep(0.1)


async def answers(database: Database) -> bool:
    with contextlib.suppress(Unavailable):
        await database.run(names)
        await database.read(names)
        return True
    return False


async def test_who_waits_behind_a_frozen_postgres_is_told_in_time_and_not_done_later(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    address = through(line, postgres_url, postgres)
    with contextlib.closing(open_postgres(address, 2, patience=1)) as database:
        await database.run(add, "before")
        line.freeze()
        calls = [database.run(add, f"account {number}") for number in range(20)]
        async with asyncio.timeout(8):
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} == {Unavailable}
        await line.heal()
        await until_it_answers(database)
        assert len(await database.read(names)) <= 2


async def test_a_slow_postgres_that_answers_each_time_is_given_up_as_a_whole(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    address = through(line, postgres_url, postgres)
    with contextlib.closing(open_postgres(address, 2, patience=1)) as database:
        await database.run(add, "before")
        line.latency(0.6)
        async with asyncio.timeout(4):
            with pytest.raises(Unavailable):
                await database.run(count_up)
        await line.heal()


async def read_twenty_times(database: Database) -> None:
    for _ in range(20):
        await database.read(names)


async def test_the_calls_of_one_request_share_its_patience(
    postgres: Postgres, postgres_url: str, line: FaultProxy
) -> None:
    address = through(line, postgres_url, postgres)
    with contextlib.closing(open_postgres(address, 2, patience=20)) as database:
        await database.read(names)
        line.latency(0.5)
        async with asyncio.timeout(15):
            with budgeted(2.5), pytest.raises(Unavailable):
                await read_twenty_times(database)
        assert await database.read(names) == []  # whoever is under no budget
        await line.heal()


async def test_a_pool_that_is_all_in_use_is_waited_for(postgres_url: str) -> None:
    def slowly(session: Session) -> None:
        session.connection()
        time.sleep(0.05)

    with contextlib.closing(open_postgres(postgres_url, 2)) as database:
        calls = [work(slowly) for _ in range(8) for work in (database.run, database.read)]
        await asyncio.gather(*calls)


async def test_a_missing_thing_is_not_an_outage(database: Database) -> None:
    with pytest.raises(NotFound):
        await database.read(find_account, "nobody")
