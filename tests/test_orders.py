"""Orders: accepted once, ended once, paid or refunded once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlmodel import Session, col, func, select, update

from models import ledger
from models.attempts import count_attempt
from models.database import Database
from models.errors import OutOfCredits, OutOfStorage
from models.events import Failure, OrderAccepted, OrderFinished, order_subject, outcome_subject
from models.ledger import Amount
from models.orders import (
    accept_order,
    fail_order,
    find_order,
    finish_order,
    images_of,
    open_work,
)
from models.records import Account, Image, LedgerEntry, Order, Outbox, Record, Variant, new_id
from tests.samples import SEEN, draft, made

FAILURE = Failure(status=400, code="not-an-image", message="The file is not an image we can read.")
TABLES: Sequence[type[Record]] = (Order, Image, Variant, Outbox)


def rows(session: Session) -> dict[str, int]:
    return {
        str(table.__tablename__): session.exec(select(func.count()).select_from(table)).one()
        for table in TABLES
    }


def images_by(session: Session, order_id: str) -> list[Image]:
    return images_of(session, session.get_one(Order, order_id))


def said(session: Session, subject: str) -> list[Any]:
    found = select(Outbox.payload).where(Outbox.subject == subject)
    return [msgspec.json.decode(payload) for payload in session.exec(found)]


def money(session: Session, account_id: str) -> tuple[int, Amount]:
    account = session.get_one(Account, account_id)
    return account.credits_free + account.credits_paid, ledger.balance_of(session, account_id)


def storage_used(session: Session, account_id: str) -> int:
    return session.get_one(Account, account_id).storage_used


async def test_an_accepted_order_is_paid_pending_and_announced(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id, images=2, cost=4)
    await database.run(accept_order, wanted)
    opened = await database.read(open_work, wanted.order_id)
    assert opened is not None
    order, bucket, images = opened
    assert (order.state, order.asked, order.cost_free, bucket.id) == (
        "pending",
        wanted.asked,
        4,
        bucket_id,
    )
    assert [(image.position, image.state) for image in images] == [(0, "pending"), (1, "pending")]
    assert await database.read(money, account.id) == (96, Amount(96, 0))
    (event,) = await database.read(said, order_subject(wanted.order_id))
    assert msgspec.convert(event, OrderAccepted).order_id == wanted.order_id


async def test_an_order_is_accepted_once(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id)
    outcomes = await asyncio.gather(
        *(database.run(accept_order, wanted) for _ in range(8)), return_exceptions=True
    )
    assert outcomes.count(None) == 1
    assert await database.read(money, account.id) == (98, Amount(98, 0))
    assert (await database.read(rows))["orders"] == 1


async def test_an_order_that_cannot_be_paid_leaves_no_row(
    database: Database, account: Account, bucket_id: str
) -> None:
    with pytest.raises(OutOfCredits):
        await database.run(accept_order, draft(account.id, bucket_id, cost=101))
    assert set((await database.read(rows)).values()) == {0}
    assert await database.read(money, account.id) == (100, Amount(100, 0))


async def test_a_full_storage_accepts_nothing(
    database: Database, account: Account, bucket_id: str
) -> None:
    await database.run(fill, account.id)
    with pytest.raises(OutOfStorage):
        await database.run(accept_order, draft(account.id, bucket_id))
    assert set((await database.read(rows)).values()) == {0}
    assert await database.read(money, account.id) == (100, Amount(100, 0))


def fill(session: Session, account_id: str) -> None:
    session.exec(
        update(Account)
        .where(col(Account.id) == account_id)
        .values(storage_used=Account.storage_total)
    )


async def test_a_finished_order_has_its_variants_and_counts_those_that_were_asked_for(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id, images=1)
    await database.run(accept_order, wanted)
    assert await database.run(finish_order, wanted.order_id, SEEN, [made("a", size=700)])
    order = await database.read(find_order, wanted.order_id)
    assert order is not None
    assert (order.state, order.original) == ("done", SEEN)
    (image,) = await database.read(images_by, wanted.order_id)
    assert (image.state, image.size, image.name, image.original) == (
        "ready",
        1400,
        "cat.jpg",
        SEEN,
    )
    assert await database.read(storage_used, account.id) == 1400
    assert await database.read(rows) == {"orders": 1, "image": 1, "variant": 3, "outbox": 2}


async def test_several_images_of_one_order_have_numbered_names(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id, images=2)
    await database.run(accept_order, wanted)
    results = [made("a", width=100), made("b", width=200)]
    await database.run(finish_order, wanted.order_id, SEEN, results)
    names = [image.name for image in await database.read(images_by, wanted.order_id)]
    assert names == ["cat.jpg 1:[100x100]", "cat.jpg 2:[200x200]"]


async def test_the_end_of_an_order_is_announced_once(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id)
    await database.run(accept_order, wanted)
    for _ in range(3):
        await database.run(finish_order, wanted.order_id, SEEN, [made("a")])
    events = await database.read(said, outcome_subject(wanted.order_id))
    assert [msgspec.convert(event, OrderFinished).state for event in events] == ["done"]


async def test_finishing_twice_changes_nothing(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id)
    await database.run(accept_order, wanted)
    assert await database.run(finish_order, wanted.order_id, SEEN, [made("a")])
    assert not await database.run(finish_order, wanted.order_id, SEEN, [made("b", size=9)])
    assert await database.read(storage_used, account.id) == 1000
    assert (await database.read(rows))["variant"] == 3


async def test_a_failed_order_costs_nothing_and_leaves_no_image(
    database: Database, account: Account, bucket_id: str
) -> None:
    await database.run(ledger.grant, account.id, "paid", Amount(0, 50))
    wanted = draft(account.id, bucket_id, images=3, cost=120)
    await database.run(accept_order, wanted)
    assert await database.run(fail_order, wanted.order_id, FAILURE)
    assert not await database.run(fail_order, wanted.order_id, FAILURE)
    order = await database.read(find_order, wanted.order_id)
    assert order is not None
    assert (order.state, order.failure) == ("failed", FAILURE)
    assert await database.read(money, account.id) == (150, Amount(100, 50))
    assert await database.read(images_by, wanted.order_id) == []


async def test_of_all_who_end_an_order_at_once_one_succeeds(
    database: Database, account: Account, bucket_id: str
) -> None:
    for number in range(8):
        wanted = draft(account.id, bucket_id, cost=1)
        await database.run(accept_order, wanted)
        before, _ = await database.read(money, account.id)
        finish = [[made(f"{number}-{n}")] for n in range(3)]
        ended = await asyncio.gather(
            *(database.run(finish_order, wanted.order_id, SEEN, result) for result in finish),
            *(database.run(fail_order, wanted.order_id, FAILURE) for _ in range(3)),
        )
        assert sum(ended) == 1
        order = await database.read(find_order, wanted.order_id)
        after, entries = await database.read(money, account.id)
        assert order is not None
        assert after - before == (1 if order.state == "failed" else 0)
        assert sum(entries) == after
    assert await database.read(closings) == 8


def closings(session: Session) -> int:
    found = select(func.count()).select_from(LedgerEntry).where(LedgerEntry.step == "close")
    return session.exec(found).one()


async def test_a_finish_that_breaks_half_way_leaves_the_order_pending(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id, images=2)
    await database.run(accept_order, wanted)
    twice_the_same_key = [made("a"), made("a")]
    with pytest.raises(Exception, match="object_key"):
        await database.run(finish_order, wanted.order_id, SEEN, twice_the_same_key)
    with pytest.raises(ValueError, match="zip"):
        await database.run(finish_order, wanted.order_id, SEEN, [made("a")])
    opened = await database.read(open_work, wanted.order_id)
    assert opened is not None
    assert (await database.read(rows))["variant"] == 0
    assert await database.run(finish_order, wanted.order_id, SEEN, [made("a"), made("b")])


async def test_an_ended_order_is_no_work(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id)
    await database.run(accept_order, wanted)
    await database.run(fail_order, wanted.order_id, FAILURE)
    assert await database.read(open_work, wanted.order_id) is None
    assert await database.read(open_work, new_id()) is None


async def test_attempts_are_counted_also_by_several_at_once(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id)
    await database.run(accept_order, wanted)
    counted = await asyncio.gather(
        *(database.run(count_attempt, wanted.order_id) for _ in range(10))
    )
    assert sorted(counted) == list(range(1, 11))


async def test_an_order_that_does_not_exist_cannot_end(database: Database) -> None:
    assert not await database.run(finish_order, new_id(), SEEN, [])
    assert not await database.run(fail_order, new_id(), FAILURE)
