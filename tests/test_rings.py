"""Transactions that meet on the same rows never wait for each other in a ring."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session

from models.accounts import open_account, primary_bucket
from models.burial import bury_images
from models.database import Database, open_postgres
from models.orders import accept_order, finish_order, images_of
from models.records import Account, Order
from models.replays import Use, claim
from tests.samples import SEEN, draft, made


async def test_uploads_with_keys_that_begin_at_the_same_moment_are_all_accepted(
    postgres_url: str,
) -> None:
    met = threading.Barrier(2)

    def upload(session: Session, account_id: str, bucket_id: str, key: str) -> None:
        claim(session, Use(account_id=account_id, route="POST /images", key=key))
        met.wait(20)  # both have written a row that refers to the account
        accept_order(session, draft(account_id, bucket_id))

    with contextlib.closing(open_postgres(postgres_url, 4)) as database:
        account = await database.run(open_account, "somebody", 100, 1_000_000)
        bucket = await database.read(primary_bucket, account.id)
        uploads = (database.run(upload, account.id, bucket.id, key) for key in ("one", "two"))
        assert await asyncio.gather(*uploads) == [None, None]


@contextlib.contextmanager
def counters_touched(database: Database) -> Iterator[list[str]]:
    """The tables of counters in the order in which statements change them."""
    found: list[str] = []

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        found.extend(name for name in ("account", "bucket") if f"UPDATE {name} " in statement)

    event.listen(database.engine, "before_cursor_execute", hear)
    yield found
    event.remove(database.engine, "before_cursor_execute", hear)


def _images(session: Session, order_id: str) -> list[str]:
    return [image.id for image in images_of(session, session.get_one(Order, order_id))]


@pytest.mark.parametrize("work", ["finish", "bury"])
async def test_an_account_is_always_counted_before_its_bucket(
    database: Database, account: Account, bucket_id: str, work: str
) -> None:
    wanted = draft(account.id, bucket_id)
    await database.run(accept_order, wanted)
    finish: Callable[..., Any] = finish_order
    steps = {"finish": (finish, wanted.order_id, SEEN, [made("a")])}
    if work == "bury":
        await database.run(*steps["finish"])
        ids = await database.read(_images, wanted.order_id)
        steps["bury"] = (bury_images, account.id, ids)
    with counters_touched(database) as touched:
        await database.run(*steps[work])
    assert touched[0] == "account"
    assert touched[-1] == "bucket"
    assert touched == sorted(touched)
