"""Dead letters: refunded, kept with their originals, retried as new paid orders or forgotten."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from models import ledger
from models.attempts import count_begun, fail_attempt, forgive, start_work
from models.columns import now
from models.database import Database
from models.errors import NotFound, OutOfCredits
from models.events import Failure, dead_subject
from models.ledger import Amount
from models.letters import drop_letter, expire_letters, parked_orders, retry_letter
from models.orders import accept_order, find_order
from models.orphans import sort_originals
from models.records import Account, LedgerEntry, Order, Outbox
from tests.samples import draft

FAILURE = Failure(status=422, code="render-crashed", message="The image made its decoder fail.")


async def accepted(database: Database, account: Account, bucket_id: str, cost: int = 2) -> str:
    wanted = draft(account.id, bucket_id, cost=cost)
    await database.run(accept_order, wanted)
    return wanted.order_id


async def parked(database: Database, account: Account, bucket_id: str, cost: int = 2) -> str:
    order_id = await accepted(database, account, bucket_id, cost)
    assert await database.run(fail_attempt, order_id, FAILURE, 1) == 0
    return order_id


async def get(database: Database, order_id: str) -> Order:
    found = await database.read(find_order, order_id)
    assert found is not None
    return found


def balance(session: Session, account_id: str) -> int:
    account = session.get_one(Account, account_id)
    assert ledger.balance_of(session, account_id) == Amount(
        account.credits_free, account.credits_paid
    )
    return account.credits_free + account.credits_paid


def letters_said(session: Session, order_id: str) -> int:
    found = select(Outbox.id).where(Outbox.subject == dead_subject(order_id))
    return len(session.exec(found).all())


async def test_an_attempt_that_failed_is_followed_by_others_and_the_last_is_refunded_and_parked(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await accepted(database, account, bucket_id)
    assert [await database.run(fail_attempt, order_id, FAILURE, 3) for _ in range(3)] == [1, 2, 0]
    order = await get(database, order_id)
    assert (order.state, order.failure, order.attempts) == ("failed", FAILURE, 3)
    assert order.parked_at is not None
    assert await database.read(balance, account.id) == 100
    assert await database.read(letters_said, order_id) == 1
    assert await database.run(fail_attempt, order_id, FAILURE, 3) == 0
    assert await database.read(letters_said, order_id) == 1
    assert await database.read(balance, account.id) == 100


async def test_an_order_that_may_wait_has_no_last_attempt(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await accepted(database, account, bucket_id)
    assert [await database.run(fail_attempt, order_id, FAILURE, None) for _ in range(9)][-1] == 9
    assert (await get(database, order_id)).state == "pending"


async def test_who_takes_an_order_again_is_counted_until_it_is_heard_of(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await accepted(database, account, bucket_id)
    await database.read(start_work, order_id)
    assert (await get(database, order_id)).begun == 0
    for _ in range(3):
        await database.run(count_begun, order_id)
    assert (await get(database, order_id)).begun == 3
    await database.run(forgive, order_id)
    assert (await get(database, order_id)).begun == 2
    await database.run(fail_attempt, order_id, FAILURE, 3)
    assert (await get(database, order_id)).begun == 0


async def test_the_original_of_a_dead_letter_is_needed_until_it_is_dropped(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await parked(database, account, bucket_id)
    key = (await get(database, order_id)).staging_key
    assert (await database.read(sort_originals, [key])).unowned == []
    await database.run(drop_letter, order_id)
    assert (await database.read(sort_originals, [key])).unowned == [key]
    with pytest.raises(NotFound):
        await database.run(drop_letter, order_id)


async def test_letters_expire_and_not_before_their_time(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await parked(database, account, bucket_id)
    assert await database.run(expire_letters, now() - timedelta(minutes=1)) == []
    assert await database.run(expire_letters, now() + timedelta(minutes=1)) == [order_id]
    assert await database.read(parked_orders) == []


async def test_a_retry_is_a_new_order_of_the_same_that_is_paid_anew(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await parked(database, account, bucket_id)
    made = await get(database, await database.run(retry_letter, order_id))
    old = await get(database, order_id)
    assert (made.state, old.state, old.parked_at) == ("pending", "failed", None)
    assert (made.asked, made.original, made.staging_key) == (
        old.asked,
        old.original,
        old.staging_key,
    )
    assert await database.read(balance, account.id) == 98
    assert (await database.read(sort_originals, [made.staging_key])).unowned == []


async def test_a_retry_that_cannot_be_paid_changes_nothing(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await parked(database, account, bucket_id, cost=60)
    await accepted(database, account, bucket_id, cost=50)
    with pytest.raises(OutOfCredits):
        await database.run(retry_letter, order_id)
    assert (await get(database, order_id)).parked_at is not None
    assert await database.read(balance, account.id) == 50


async def test_of_many_retries_at_once_one_is_made_and_paid(
    database: Database, account: Account, bucket_id: str
) -> None:
    order_id = await parked(database, account, bucket_id)
    retries = (database.run(retry_letter, order_id) for _ in range(6))
    outcomes = await asyncio.gather(*retries, return_exceptions=True)
    assert sum(isinstance(one, str) for one in outcomes) == 1
    assert sum(isinstance(one, NotFound) for one in outcomes) == 5
    assert await database.read(balance, account.id) == 98
    assert await database.read(count_reserved, account.id) == 2


def count_reserved(session: Session, account_id: str) -> int:
    kind = (LedgerEntry.account_id == account_id, LedgerEntry.kind == "reserve")
    return len(session.exec(select(LedgerEntry.id).where(*kind)).all())
