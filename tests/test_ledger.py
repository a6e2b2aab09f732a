"""Credits: no sequence of movements, and no crowd of them, makes or loses one."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from models import ledger
from models.accounts import open_account
from models.database import Database
from models.errors import NotFound, OutOfCredits
from models.ledger import Amount
from models.records import Account, new_id

amounts = st.builds(Amount, st.integers(0, 20), st.integers(0, 20))


def account_for(session: Session, free: int, paid: int) -> str:
    account = open_account(session, new_id(), free, 1_000_000)
    ledger.grant(session, account.id, new_id(), Amount(0, paid))
    return account.id


def balances(session: Session, account_id: str) -> tuple[Amount, Amount]:
    """What the account says, and what its ledger says."""
    account = session.get_one(Account, account_id)
    return Amount(account.credits_free, account.credits_paid), ledger.balance_of(
        session, account_id
    )


class Books(RuleBasedStateMachine):
    """An account, and a model of it that can add."""

    reserved = Bundle("reserved")

    def __init__(self, database: Database, runner: asyncio.Runner) -> None:
        super().__init__()
        self.database, self.runner = database, runner
        self.account = self.do(account_for, 10, 0)
        self.have = Amount(10, 0)

    def do(self, work: Callable[..., Any], *given: object) -> Any:
        return self.runner.run(self.database.run(work, *given))

    @rule(amount=amounts)
    def grant(self, amount: Amount) -> None:
        self.do(ledger.grant, self.account, new_id(), amount)
        self.have = Amount(self.have.free + amount.free, self.have.paid + amount.paid)

    @rule(target=reserved, cost=st.integers(0, 30))
    def reserve(self, cost: int) -> tuple[str, Amount]:
        operation = new_id()
        if cost > sum(self.have):
            with pytest.raises(OutOfCredits):
                self.do(ledger.reserve, self.account, operation, cost)
            return operation, Amount(-1, -1)
        amount = self.do(ledger.reserve, self.account, operation, cost)
        assert amount == Amount(min(cost, self.have.free), cost - min(cost, self.have.free))
        self.have = Amount(self.have.free - amount.free, self.have.paid - amount.paid)
        return operation, amount

    @rule(taken=consumes(reserved))
    def capture(self, taken: tuple[str, Amount]) -> None:
        operation, amount = taken
        self.do(ledger.capture, self.account, operation, amount)
        with pytest.raises(IntegrityError):
            self.do(ledger.refund, self.account, operation, Amount(1, 1))

    @rule(taken=consumes(reserved))
    def refund(self, taken: tuple[str, Amount]) -> None:
        operation, amount = taken
        if amount.free < 0:
            return
        self.do(ledger.refund, self.account, operation, amount)
        self.have = Amount(self.have.free + amount.free, self.have.paid + amount.paid)
        for again in (ledger.refund, ledger.capture):
            with pytest.raises(IntegrityError):
                self.do(again, self.account, operation, amount)

    @invariant()
    def the_account_the_ledger_and_the_model_agree(self) -> None:
        account, entries = self.do(balances, self.account)
        assert account == entries == self.have
        assert min(account) >= 0


def test_every_sequence_of_movements_adds_up(database: Database) -> None:
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            lambda: Books(database, runner),
            settings=settings(max_examples=12, stateful_step_count=20),
        )


async def test_1000_spends_of_a_balance_of_500_are_500_spends(database: Database) -> None:
    account = await database.run(account_for, 300, 200)

    async def spend() -> bool:
        with contextlib.suppress(OutOfCredits):
            await database.run(ledger.reserve, account, new_id(), 1)
            return True
        return False

    assert sum(await asyncio.gather(*(spend() for _ in range(1000)))) == 500
    assert await database.read(balances, account) == (Amount(0, 0), Amount(0, 0))


async def test_free_credits_go_before_paid_ones(database: Database) -> None:
    account = await database.run(account_for, 5, 5)
    assert await database.run(ledger.reserve, account, "one", 3) == Amount(3, 0)
    assert await database.run(ledger.reserve, account, "two", 3) == Amount(2, 1)
    assert await database.run(ledger.reserve, account, "three", 3) == Amount(0, 3)


async def test_a_refused_spend_leaves_no_trace(database: Database) -> None:
    account = await database.run(account_for, 2, 2)
    with pytest.raises(OutOfCredits):
        await database.run(ledger.reserve, account, "too-much", 5)
    assert await database.read(balances, account) == (Amount(2, 2), Amount(2, 2))
    assert await database.run(ledger.reserve, account, "too-much", 4) == Amount(2, 2)


@pytest.mark.parametrize(
    ("step", "amount"),
    [(ledger.grant, Amount(5, 5)), (ledger.reserve, 1)],
    ids=["grant", "reserve"],
)
async def test_an_operation_opens_once(
    database: Database, step: Callable[..., object], amount: object
) -> None:
    account = await database.run(account_for, 10, 0)
    await database.run(ledger.reserve, account, "operation", 1)
    with pytest.raises(IntegrityError):
        await database.run(step, account, "operation", amount)
    assert await database.read(balances, account) == (Amount(9, 0), Amount(9, 0))


async def test_of_a_capture_and_a_refund_at_once_one_wins(database: Database) -> None:
    account = await database.run(account_for, 100, 0)
    for number in range(20):
        operation = f"operation-{number}"
        amount = await database.run(ledger.reserve, account, operation, 5)
        outcomes = await asyncio.gather(
            database.run(ledger.capture, account, operation, amount),
            database.run(ledger.refund, account, operation, amount),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == 1
    account_says, ledger_says = await database.read(balances, account)
    assert account_says == ledger_says


async def test_nobody_spends_what_was_taken_back(database: Database) -> None:
    account = await database.run(account_for, 10, 0)
    await database.run(ledger.grant, account, "taken-back", Amount(-8, 0))
    with pytest.raises(OutOfCredits):
        await database.run(ledger.grant, account, "taken-back-again", Amount(-3, 0))
    with pytest.raises(OutOfCredits):
        await database.run(ledger.reserve, account, "spend", 3)


async def test_an_account_that_does_not_exist_spends_nothing(database: Database) -> None:
    with pytest.raises(NotFound):
        await database.run(ledger.reserve, new_id(), "operation", 1)
