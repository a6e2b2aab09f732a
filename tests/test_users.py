"""Users log in with a password, and their tokens speak for the account until they end."""

import uuid
from datetime import timedelta

import pytest

from gateway.attempts import Attempts
from gateway.passwords import NOBODY, Passwords, hash_password
from gateway.rates import Rates
from models.columns import now
from models.database import Database
from models.errors import InvalidFields, NotFound, Overloaded, TooManyRequests
from models.records import Account, User
from models.users import (
    MAY,
    add_user,
    authenticate_token,
    check_password,
    find_user,
    list_users,
    log_in,
    log_out,
    new_token,
    remove_user,
    set_password,
)


@pytest.fixture
async def user(database: Database, account: Account) -> User:
    return await database.run(add_user, account.name, "Matt", "a hash")


async def test_an_alias_is_the_same_in_any_case(database: Database, user: User) -> None:
    assert user.alias == "matt"
    found = await database.read(find_user, " MATT ")
    assert found is not None
    assert found.id == user.id
    with pytest.raises(InvalidFields, match="already a user 'matt'"):
        await database.run(add_user, "somebody", "mATT", "x")
    assert [known.account for known in await database.read(list_users)] == ["somebody"]


@pytest.mark.parametrize("alias", ["", "a b", "-x", "x" * 65, "ünder", "a\0b"])
async def test_an_alias_that_cannot_be_one_is_refused(
    database: Database, account: Account, alias: str
) -> None:
    with pytest.raises(InvalidFields, match=r"^alias: "):
        await database.run(add_user, account.name, alias, "x")
    assert await database.read(find_user, alias) is None


async def test_a_token_speaks_for_its_account_until_it_is_logged_out(
    database: Database, account: Account, user: User
) -> None:
    await database.run(log_in, user, "digest", now(), None)
    caller = await database.read(authenticate_token, "digest", now())
    assert caller is not None
    assert (caller.account_id, caller.permissions) == (account.id, MAY)
    await database.run(log_out, caller.key_id)
    assert await database.read(authenticate_token, "digest", now()) is None


async def test_a_token_runs_out_and_is_forgotten(database: Database, user: User) -> None:
    moment = now()
    await database.run(log_in, user, "short", moment, moment + timedelta(seconds=5))
    assert await database.read(authenticate_token, "short", moment)
    later = moment + timedelta(seconds=6)
    assert await database.read(authenticate_token, "short", later) is None
    await database.run(log_in, user, "next", later, None)
    assert await database.read(authenticate_token, "short", moment) is None


async def test_another_password_logs_out_everywhere(database: Database, user: User) -> None:
    await database.run(log_in, user, "digest", now(), None)
    await database.run(set_password, "matt", "another hash")
    assert await database.read(authenticate_token, "digest", now()) is None


async def test_who_was_read_before_the_password_changed_gets_no_token(
    database: Database, user: User
) -> None:
    await database.run(set_password, "matt", "another hash")
    with pytest.raises(NotFound):
        await database.run(log_in, user, "digest", now(), None)
    await database.run(remove_user, "matt")
    with pytest.raises(NotFound):
        await database.run(log_in, user, "digest", now(), None)
    with pytest.raises(NotFound, match="no user 'matt'"):
        await database.run(remove_user, "matt")


def test_tokens_are_random_uuids() -> None:
    made = [uuid.UUID(new_token()) for _ in range(100)]
    assert len(set(made)) == 100
    assert {one.version for one in made} == {4}


@pytest.mark.parametrize("password", ["", "7 signs", "x" * 1025])
def test_a_password_is_neither_short_nor_endless(password: str) -> None:
    with pytest.raises(InvalidFields, match=r"^password: "):
        check_password(password)


async def test_a_password_matches_its_own_hash_alone() -> None:
    passwords = Passwords()
    known = hash_password("correct horse")
    assert known.startswith("$argon2id$")
    assert await passwords.match("correct horse", known)
    assert not await passwords.match("correct house", known)
    assert not await passwords.match("correct horse", None)


def test_nobodys_hash_takes_the_work_of_anybodys() -> None:
    """The same parameters, the same lengths: who guesses aliases learns nothing from the clock."""
    mine, nobodys = hash_password("anything").split("$"), NOBODY.split("$")
    assert mine[:4] == nobodys[:4]
    assert list(map(len, mine)) == list(map(len, nobodys))


async def test_log_ins_are_counted_for_the_user_and_for_the_address() -> None:
    attempts = Attempts(Rates("", "", "", "3/hour"), Passwords())
    for place in range(3):
        await attempts.count("matt", f"10.0.0.{place}")
    with pytest.raises(TooManyRequests) as refused:
        await attempts.count("matt", "10.0.0.9")
    assert refused.value.retry_after
    for name in "abc":
        await attempts.count(name, "192.0.2.1")
    with pytest.raises(TooManyRequests):
        await attempts.count("somebody else", "192.0.2.1")
    await attempts.count("somebody", "198.51.100.7")


async def test_too_many_passwords_at_once_are_told_to_come_back() -> None:
    passwords = Passwords(most=0)
    with pytest.raises(Overloaded):
        await passwords.match("anything", None)
