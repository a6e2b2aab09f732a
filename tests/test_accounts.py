"""Accounts and keys: who may do what, and nobody else."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, select

from models import ledger
from models.accounts import (
    PERMISSIONS,
    add_key,
    authenticate,
    digest_of,
    find_account,
    find_bucket,
    give_credits,
    list_accounts,
    list_keys,
    new_key,
    open_account,
    primary_bucket,
    revoke_key,
)
from models.columns import now
from models.database import Database
from models.errors import InvalidFields, NotFound, OutOfCredits
from models.ledger import Amount
from models.records import Account, ApiKey, Bucket, new_id

SECRET = "s" * 32


async def a_key(database: Database, account: Account, **more: object) -> tuple[str, ApiKey]:
    key = new_key()
    digest = digest_of(key, SECRET)
    row = await database.run(add_key, account.id, "laptop", digest, key[-4:], **more)
    return key, row


async def test_a_new_account_has_a_bucket_and_its_first_credits(
    database: Database, account: Account
) -> None:
    bucket = await database.read(primary_bucket, account.id)
    assert (bucket.key, bucket.is_primary) == ("snapix_default_bucket", True)
    assert await database.read(ledger.balance_of, account.id) == (100, 0)
    assert (await database.read(find_account, "somebody")).credits_free == 100


async def test_a_name_is_taken_once(database: Database, account: Account) -> None:
    with pytest.raises(InvalidFields, match=account.name):
        await database.run(open_account, account.name, 5, 5)
    assert len(await database.read(list_accounts)) == 1


async def test_of_those_who_open_the_same_name_at_once_one_succeeds(database: Database) -> None:
    outcomes = await asyncio.gather(
        *(database.run(open_account, "wanted", 10, 10) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Account) for outcome in outcomes) == 1
    (account,) = await database.read(list_accounts)
    assert await database.read(ledger.balance_of, account.id) == (10, 0)


async def test_credits_are_given_and_taken_back_but_never_below_zero(
    database: Database, account: Account
) -> None:
    assert (await database.run(give_credits, account.name, Amount(50, 0))).credits_free == 150
    assert (await database.run(give_credits, account.name, Amount(-150, 0))).credits_free == 0
    with pytest.raises(OutOfCredits):
        await database.run(give_credits, account.name, Amount(-1, 0))
    with pytest.raises(NotFound):
        await database.run(give_credits, "nobody", Amount(1, 0))


async def test_public_ids_of_buckets_cannot_be_guessed(database: Database) -> None:
    for number in range(5):
        await database.run(open_account, f"account {number}", 0, 0)
    buckets = await database.read(every_bucket)
    assert len({bucket.public_id for bucket in buckets}) == 5
    assert all(len(bucket.public_id) == 32 and bucket.public_id.isalnum() for bucket in buckets)


def every_bucket(session: Session) -> list[Bucket]:
    return list(session.exec(select(Bucket)))


async def test_a_bucket_is_found_by_its_key_by_its_owner_only(
    database: Database, account: Account
) -> None:
    other = await database.run(open_account, "other", 0, 0)
    primary = await database.read(primary_bucket, account.id)
    for key in (None, "", "snapix_default_bucket"):
        assert (await database.read(find_bucket, account.id, key)).id == primary.id
    assert (await database.read(find_bucket, other.id, None)).id != primary.id
    with pytest.raises(InvalidFields, match="bucketKey"):
        await database.read(find_bucket, account.id, "holidays")


async def test_a_key_speaks_for_its_account_with_its_permissions(
    database: Database, account: Account
) -> None:
    key, row = await a_key(database, account, permissions=["images-read", "images-create"])
    caller = await database.read(authenticate, digest_of(key, SECRET), now())
    assert caller == (account.id, row.id, frozenset({"images-read", "images-create"}))


async def test_a_key_that_says_nothing_may_only_read(database: Database, account: Account) -> None:
    key, _ = await a_key(database, account)
    caller = await database.read(authenticate, digest_of(key, SECRET), now())
    assert caller is not None
    assert caller.permissions == {"images-read", "galleries-read"}


async def test_a_stranger_and_a_foreign_secret_are_nobody(
    database: Database, account: Account
) -> None:
    key, _ = await a_key(database, account)
    for digest in (digest_of(new_key(), SECRET), digest_of(key, "t" * 32), key, ""):
        assert await database.read(authenticate, digest, now()) is None


async def test_a_revoked_key_is_nobody_from_then_on(database: Database, account: Account) -> None:
    key, row = await a_key(database, account)
    await database.run(revoke_key, row.id)
    assert await database.read(authenticate, digest_of(key, SECRET), now()) is None
    for useless in (row.id, new_id()):
        with pytest.raises(NotFound):
            await database.run(revoke_key, useless)
    assert len(await database.read(list_keys)) == 1


async def test_a_key_ends_at_its_moment(database: Database, account: Account) -> None:
    key, row = await a_key(database, account)
    moment = now()
    await database.run(expire, row.id, moment)
    digest = digest_of(key, SECRET)
    assert await database.read(authenticate, digest, moment - timedelta(milliseconds=1))
    assert await database.read(authenticate, digest, moment) is None


def expire(session: Session, key_id: str, moment: object) -> None:
    session.get_one(ApiKey, key_id).expires_at = moment  # type: ignore[assignment]


async def test_the_key_itself_is_nowhere_in_the_database(
    database: Database, account: Account
) -> None:
    key, row = await a_key(database, account)
    assert key not in row.model_dump_json()
    assert SECRET not in row.model_dump_json()


async def test_a_permission_that_does_not_exist_is_named(
    database: Database, account: Account
) -> None:
    with pytest.raises(InvalidFields, match="images-burn"):
        await a_key(database, account, permissions=["images-read", "images-burn"])
    assert await database.read(list_keys) == []


async def test_keys_are_listed_with_their_accounts(database: Database, account: Account) -> None:
    other = await database.run(open_account, "other", 0, 0)
    await a_key(database, account)
    await a_key(database, other, permissions=PERMISSIONS)
    assert [name for _, name in await database.read(list_keys)] == ["somebody", "other"]
    assert [name for _, name in await database.read(list_keys, other.id)] == ["other"]


def test_keys_differ_and_are_long() -> None:
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(key.startswith("sk_") and len(key) == 46 for key in keys)


# HMAC fills a short secret up with NULs; ours are hexadecimal.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(words, words, words, words)
def test_digests_differ_when_key_or_secret_do(one: str, other: str, this: str, that: str) -> None:
    same = (one, this) == (other, that)
    assert (digest_of(one, this) == digest_of(other, that)) is same
