"""Keys that make keys: none gives more, or for longer, than it has itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from models.accounts import (
    PERMISSIONS,
    READ_ONLY,
    Caller,
    add_key,
    authenticate,
    digest_of,
    new_key,
    open_account,
)
from models.columns import now
from models.database import Database
from models.errors import Forbidden, InvalidFields, MissingPermission, NotFound
from models.granting import Asked, Term, change_key, end_key, find_key, make_key
from models.records import Account, ApiKey, new_id

SECRET = "s" * 32
SOON = timedelta(days=1)


def caller_with(
    session: Session, account_id: str, permissions: Sequence[str], end: datetime | None = None
) -> Caller:
    key = add_key(session, account_id, "first", new_id(), "abcd", permissions)
    key.expires_at = end
    session.flush()
    return Caller(account_id, key.id, frozenset(permissions))


def grant(
    session: Session,
    caller: Caller,
    permissions: Sequence[str] = READ_ONLY,
    end: datetime | None = None,
) -> ApiKey:
    key = make_key(session, caller, Asked("new", permissions, Term(end)), new_id(), "abcd")
    session.flush()
    return key


async def test_a_key_gives_what_it_has_and_the_answer_names_what_it_has_not(
    database: Database, account: Account
) -> None:
    caller = await database.run(caller_with, account.id, ["images-read", "keys-manage"])
    made = await database.run(grant, caller, ["images-read", "images-read"])
    assert made.permissions == ["images-read"]
    with pytest.raises(MissingPermission, match="images-delete"):
        await database.run(grant, caller, ["images-read", "images-delete"])
    with pytest.raises(InvalidFields) as refused:
        await database.run(grant, caller, ["images-read", "images-burn"])
    assert refused.value.problems[0].field == "permissions[1]"


async def test_no_key_outlives_the_one_that_makes_it(database: Database, account: Account) -> None:
    end = now() + 2 * SOON
    caller = await database.run(caller_with, account.id, PERMISSIONS, end)
    assert (await database.run(grant, caller, READ_ONLY, end)).expires_at == end
    for later in (None, end + timedelta(milliseconds=1)):
        with pytest.raises(Forbidden):
            await database.run(grant, caller, READ_ONLY, later)


@pytest.mark.parametrize(
    "end",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        now() - timedelta(seconds=1),
    ],
)
async def test_a_key_ends_at_a_moment_to_come(
    database: Database, account: Account, end: datetime
) -> None:
    caller = await database.run(caller_with, account.id, PERMISSIONS)
    key = await database.run(grant, caller)
    with pytest.raises(InvalidFields, match="expiresAt"):
        await database.run(grant, caller, READ_ONLY, end)
    with pytest.raises(InvalidFields, match="expiresAt"):
        await database.run(change_key, caller, key.id, Asked(None, None, Term(end)))


async def test_a_change_of_a_key_is_what_it_says_and_no_more(
    database: Database, account: Account
) -> None:
    caller = await database.run(caller_with, account.id, PERMISSIONS)
    end = now() + SOON
    key = await database.run(grant, caller, READ_ONLY, end)
    renamed = await database.run(change_key, caller, key.id, Asked("other", None, None))
    assert (renamed.name, renamed.permissions, renamed.expires_at) == (
        "other",
        list(READ_ONLY),
        end,
    )
    changed = await database.run(change_key, caller, key.id, Asked(None, ["images-read"], None))
    assert (changed.name, changed.permissions, changed.expires_at) == (
        "other",
        ["images-read"],
        end,
    )
    lasting = await database.run(change_key, caller, key.id, Asked(None, None, Term(None)))
    assert lasting.expires_at is None


async def test_a_stronger_key_can_be_renamed_and_revoked_but_not_given_back_its_time(
    database: Database, account: Account
) -> None:
    strong = await database.run(caller_with, account.id, PERMISSIONS)
    weak = await database.run(caller_with, account.id, ["keys-manage"])
    for asked in (Asked(None, None, Term(now() + SOON)), Asked(None, ["images-delete"], None)):
        with pytest.raises(MissingPermission):
            await database.run(change_key, weak, strong.key_id, asked)
    await database.run(change_key, weak, strong.key_id, Asked("renamed", None, None))
    await database.run(end_key, account.id, strong.key_id)


async def test_keys_of_others_revoked_ones_and_none_at_all_are_not_found(
    database: Database, account: Account
) -> None:
    mine = await database.run(caller_with, account.id, PERMISSIONS)
    other = await database.run(open_account, "other", 0, 0)
    theirs = await database.run(caller_with, other.id, PERMISSIONS)
    revoked = await database.run(grant, mine)
    await database.run(end_key, account.id, revoked.id)
    for key_id in (theirs.key_id, revoked.id, new_id(), "", "\0"):
        with pytest.raises(NotFound):
            await database.run(change_key, mine, key_id, Asked("mine", None, None))
        with pytest.raises(NotFound):
            await database.run(end_key, account.id, key_id)
    assert (await database.run(find_key, other.id, theirs.key_id)).name == "first"


async def test_a_revoked_key_is_nobody(database: Database, account: Account) -> None:
    caller = await database.run(caller_with, account.id, PERMISSIONS)
    secret = new_key()
    digest = digest_of(secret, SECRET)
    asked = Asked("new", READ_ONLY, None)
    key = await database.run(make_key, caller, asked, digest, secret[-4:])
    assert await database.read(authenticate, digest, now())
    await database.run(end_key, account.id, key.id)
    assert await database.read(authenticate, digest, now()) is None


SOME = st.lists(st.sampled_from(PERMISSIONS), min_size=1, unique=True)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(have=SOME, wishes=st.lists(st.tuples(st.booleans(), SOME), max_size=6))
def test_whatever_is_asked_no_chain_of_keys_may_do_more_than_its_first(
    sqlite: Database, have: list[str], wishes: list[tuple[bool, list[str]]]
) -> None:
    with Session(sqlite.engine) as session:
        account = open_account(session, new_id(), 0, 0)
        first = caller = caller_with(session, account.id, have)
        last = session.get_one(ApiKey, first.key_id)
        for anew, wish in wishes:
            try:
                if anew:
                    last = grant(session, caller, wish)
                else:
                    last = change_key(session, caller, last.id, Asked(None, wish, None))
            except MissingPermission:
                assert not set(wish) <= caller.permissions
            else:
                assert set(last.permissions) == set(wish) <= first.permissions
                caller = Caller(account.id, last.id, frozenset(last.permissions))
        session.rollback()
