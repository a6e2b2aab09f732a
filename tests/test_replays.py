"""Idempotency keys: one effect and one answer, whatever is sent twice and wherever it breaks."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlmodel import Session, col, func, select, update

from gateway.form import Form, Limits, read_form
from gateway.idempotency import Attempt, ClaimingDatabase, Running, digest_of_form
from gateway.prefer import read_prefer
from models import ledger
from models.accounts import open_account, primary_bucket
from models.columns import now
from models.database import Database
from models.errors import OutOfCredits, StillRunning
from models.events import Failure
from models.orders import accept_order, fail_order, find_order, finish_order
from models.records import Account, Order, Replay
from models.replays import Answer, Use, claim, find_replay, forget_replays, keep_answer
from models.settings import Settings
from pipeline.bus import Bus
from pipeline.reconcile.findings import Report
from pipeline.reconcile.rounds import forget_old, go_round
from pipeline.reconcile.scene import Scene, rules_of
from pipeline.storage import Storage, open_folder
from tests.samples import SEEN, draft, made

ROUTE = "POST /api/v1/images"
LIMITS = Limits(file_bytes=100_000, body_seconds=5, read_seconds=5)
FAILURE = Failure(status=400, code="damaged-image", message="The image is damaged.")
OK = Answer(status=200, content_type="application/json", body=b'{"a":1}')


def use_of(account: Account | str, key: str = "k", asked: str = "hash") -> Use:
    owner = account if isinstance(account, str) else account.id
    return Use(account_id=owner, route=ROUTE, key=key, request_hash=asked)


def orders(session: Session) -> int:
    return session.exec(select(func.count()).select_from(Order)).one()


def spent(session: Session, account_id: str) -> int:
    return 100 - session.get_one(Account, account_id).credits_free


def age(session: Session, hours: float) -> None:
    older = now() - timedelta(hours=hours)
    session.exec(update(Replay).values(created_at=older))


async def test_a_key_is_written_with_its_order_or_not_at_all(
    database: Database, account: Account, bucket_id: str
) -> None:
    use = use_of(account)
    with pytest.raises(OutOfCredits):
        await ClaimingDatabase(database, Attempt(use)).run(
            accept_order, draft(account.id, bucket_id, cost=101)
        )
    assert await database.read(find_replay, use) is None
    wanted = draft(account.id, bucket_id)
    await ClaimingDatabase(database, Attempt(use)).run(accept_order, wanted)
    known = await database.read(find_replay, use)
    assert known is not None
    assert (known.order_id, known.request_hash, known.status) == (wanted.order_id, "hash", None)


async def test_of_many_with_one_key_one_is_accepted(
    database: Database, account: Account, bucket_id: str
) -> None:
    use = use_of(account)
    outcomes = await asyncio.gather(
        *(
            ClaimingDatabase(database, Attempt(use)).run(accept_order, draft(account.id, bucket_id))
            for _ in range(24)
        ),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, StillRunning) for outcome in outcomes) == 23
    assert (await database.read(orders), await database.read(spent, account.id)) == (1, 2)


async def test_a_key_belongs_to_one_account_and_one_route(
    database: Database, account: Account
) -> None:
    other = await database.run(open_account, "other", 0, 0)
    patch = Use(account_id=account.id, route="PATCH /x", key="k")
    for use in (use_of(account), use_of(other), use_of(account, "l"), patch):
        assert await database.read(find_replay, use) is None
        await database.run(claim, use)


async def test_a_request_claims_its_key_once_however_often_it_writes(
    database: Database, account: Account
) -> None:
    attempt = Attempt(use_of(account))
    claiming = ClaimingDatabase(database, attempt)
    assert not attempt.took_effect
    await asyncio.gather(*(claiming.run(spent, account.id) for _ in range(5)))
    assert attempt.took_effect
    with pytest.raises(StillRunning):
        await ClaimingDatabase(database, Attempt(use_of(account))).run(spent, account.id)


async def test_an_effect_that_was_rolled_back_leaves_its_key_free(
    database: Database, account: Account
) -> None:
    def refuse(_session: Session) -> None:
        raise OutOfCredits

    attempt = Attempt(use_of(account))
    with pytest.raises(OutOfCredits):
        await ClaimingDatabase(database, attempt).run(refuse)
    assert not attempt.took_effect
    assert await database.read(find_replay, attempt.use) is None


async def test_the_first_answer_stays(database: Database, account: Account) -> None:
    use = use_of(account)
    assert not await database.run(keep_answer, use, OK)
    await database.run(claim, use)
    assert await database.run(keep_answer, use, OK)
    late = Answer(status=409, content_type="text/plain", body=b"late")
    assert not await database.run(keep_answer, use, late)
    known = await database.read(find_replay, use)
    assert known is not None
    assert (known.status, known.content_type, known.body) == (200, OK.content_type, OK.body)


async def test_a_key_is_new_again_after_a_day(database: Database, account: Account) -> None:
    use = use_of(account)
    await database.run(claim, use)
    await database.run(age, 23.9)
    assert await database.read(find_replay, use) is not None
    assert await database.run(forget_replays) == 0
    await database.run(age, 24.1)
    assert await database.read(find_replay, use) is None
    await database.run(claim, use)
    await database.run(age, 24.1)
    assert await database.run(forget_replays) == 1


async def test_the_reconciler_forgets_keys_of_yesterday(
    sqlite: Database, folder_storage: Storage, bus: Bus
) -> None:
    owner = await sqlite.run(open_account, "somebody", 0, 0)
    await sqlite.run(claim, use_of(owner))
    await sqlite.run(age, 25)
    scene = Scene(sqlite, folder_storage, bus, rules_of(Settings()))
    await go_round((forget_old,), scene, Report())
    assert await sqlite.run(forget_replays) == 0


def test_a_key_in_use_in_this_process_is_refused_until_it_ends() -> None:
    running, use = Running(), use_of("a")
    running.begin(use)
    with pytest.raises(StillRunning):
        running.begin(use_of("a", asked="other"))
    running.begin(use_of("b"))
    running.end(use)
    running.begin(use)


class Gateway(RuleBasedStateMachine):
    """A client that sends again and again to a gateway that may die at any moment."""

    def __init__(self, database: Database, runner: asyncio.Runner) -> None:
        super().__init__()
        self.database, self.runner = database, runner
        self.account = self.do(self._open)
        self.bucket = self.do(primary_bucket, self.account).id
        self.asked: dict[str, str] = {}
        self.placed: dict[str, str] = {}
        self.answers: dict[str, bytes] = {}

    def do(self, work: Callable[..., Any], *given: object) -> Any:
        return self.runner.run(self.database.run(work, *given))

    @staticmethod
    def _open(session: Session) -> str:
        count = session.exec(select(func.count()).select_from(Account)).one()
        return open_account(session, f"account {count}", 100, 1_000_000).id

    @rule(
        key=st.sampled_from("abc"),
        body=st.sampled_from("xy"),
        dies=st.sampled_from(["no", "before the commit", "before the answer"]),
        cost=st.sampled_from([1, 1, 1, 500]),
    )
    def send(self, key: str, body: str, dies: str, cost: int) -> None:
        use = use_of(self.account, key, body)
        known = self.do(find_replay, use)
        assert (known is None) == (key not in self.placed)
        if known is not None:
            self.again(use, known)
        elif dies != "before the commit":
            self.first(use, dies, cost)

    def first(self, use: Use, dies: str, cost: int) -> None:
        wanted = draft(self.account, self.bucket, cost=cost)
        claiming = ClaimingDatabase(self.database, Attempt(use))
        try:
            self.runner.run(claiming.run(accept_order, wanted))
        except OutOfCredits:
            return
        self.asked[use.key], self.placed[use.key] = use.request_hash, wanted.order_id
        if dies == "no":
            self.answer(use, wanted.order_id)

    def again(self, use: Use, known: Replay) -> None:
        assert known.request_hash == self.asked[use.key]
        if known.request_hash != use.request_hash:
            return
        assert known.order_id == self.placed[use.key]
        if known.status is None:
            self.answer(use, self.placed[use.key])
        else:
            assert known.body == self.answers[use.key]

    def answer(self, use: Use, order_id: str) -> None:
        order = self.do(find_order, order_id)
        if order.state != "pending":
            body = f"{order.id} {order.state} {random.random()}".encode()
            assert self.do(keep_answer, use, Answer(status=200, content_type="", body=body))
            self.answers[use.key] = body

    @rule(key=st.sampled_from("abc"), well=st.booleans())
    def end(self, key: str, well: bool) -> None:
        if key in self.placed and well:
            self.do(finish_order, self.placed[key], SEEN, [made(self.placed[key])])
        elif key in self.placed:
            self.do(fail_order, self.placed[key], FAILURE)

    @rule()
    def a_day_passes(self) -> None:
        self.do(age, 25)
        self.do(forget_replays)
        self.placed.clear()
        self.asked.clear()
        self.answers.clear()

    @invariant()
    def every_order_was_paid_once_and_belongs_to_one_key(self) -> None:
        balance = self.do(ledger.balance_of, self.account)
        placed, cost = self.do(self._placed)
        assert balance.free == 100 - cost
        assert set(self.placed.values()) <= placed

    def _placed(self, session: Session) -> tuple[set[str], int]:
        mine = session.exec(select(Order).where(Order.account_id == self.account)).all()
        kept = sum(order.cost_free for order in mine if order.state != "failed")
        keys = session.exec(select(Replay).where(col(Replay.account_id) == self.account)).all()
        assert len({row.order_id for row in keys}) == len(keys)
        return {order.id for order in mine}, kept


def test_no_sequence_of_repeats_and_crashes_has_two_effects(sqlite: Database) -> None:
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            lambda: Gateway(sqlite, runner),
            settings=settings(max_examples=30, stateful_step_count=25, deadline=None),
        )


Fields = Mapping[str, str]
names = st.sampled_from(["name", "description", "ratio", "galleries"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=20)
forms = st.tuples(
    st.dictionaries(names, texts), st.one_of(st.none(), st.binary(min_size=1, max_size=50))
)


def encoded(fields: Fields, file: bytes | None, boundary: str, order: random.Random) -> bytes:
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in fields.items()
    ]
    if file is not None:
        head = b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        parts.append(head + file)
    order.shuffle(parts)
    lines = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), one) for one in parts)
    return lines + f"--{boundary}--\r\n".encode()


async def form_of(
    storage: Storage, fields: Fields, file: bytes | None, seed: int, cut: int
) -> Form:
    boundary = f"boundary-{seed}-that-is-in-no-value"
    body = encoded(fields, file, boundary, random.Random(seed))

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:cut]
        yield body[cut:]

    kind = f"multipart/form-data; boundary={boundary}"
    return await read_form(kind, chunks(), storage, "staging/x", LIMITS)


@given(
    one=forms,
    other=forms,
    seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    cut=st.integers(0, 99),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_forms_have_one_digest_when_they_say_the_same(
    one: tuple[Fields, bytes | None],
    other: tuple[Fields, bytes | None],
    seeds: tuple[int, int],
    cut: int,
    folder: Path,
) -> None:
    storage = open_folder(folder)

    async def digest(form: tuple[Fields, bytes | None], seed: int, place: int) -> str:
        return digest_of_form(await form_of(storage, *form, seed, place))

    with asyncio.Runner() as runner:
        first, again, different = (
            runner.run(digest(one, seeds[0], cut)),
            runner.run(digest(one, seeds[1], 0)),
            runner.run(digest(other, seeds[1], 0)),
        )
    assert first == again
    assert (first == different) == (one == other)


@given(st.lists(st.text(max_size=40), max_size=3), st.floats(0.1, 1000))
def test_whatever_is_preferred_nobody_waits_longer_than_allowed(
    headers: list[str], longest: float
) -> None:
    assert 0 <= read_prefer(headers).patience(longest) <= longest


@pytest.mark.parametrize(
    ("header", "respond_async", "wait"),
    [
        ("respond-async", True, None),
        ("Respond-Async; foo=bar, WAIT=10", True, 10),
        ('wait="5"', False, 5),
        ("wait=1, wait=2", False, 1),
        ("wait=-1, return=minimal", False, None),
        ("", False, None),
    ],
)
def test_preferences_are_read_as_the_standard_has_them(
    header: str, respond_async: bool, wait: int | None
) -> None:
    found = read_prefer([header])
    assert (found.respond_async, found.wait) == (respond_async, wait)
