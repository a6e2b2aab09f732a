"""Credits: every movement is a row, and the rows of an account add up to its balance."""

from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select, update

from models.errors import NotFound, OutOfCredits
from models.meter import counted
from models.records import Account, LedgerEntry

_STEP = {"grant": "open", "reserve": "open", "capture": "close", "refund": "close"}


class Amount(NamedTuple):
    """Credits of the free and of the paid kind."""

    free: int
    paid: int


def grant(session: Session, account_id: str, operation_id: str, amount: Amount) -> None:
    """Give credits. The same operation gives once: a second one violates the ledger's key."""
    _move(session, account_id, operation_id, "grant", amount)


def reserve(session: Session, account_id: str, operation_id: str, cost: int) -> Amount:
    """Take `cost` credits, those of paid plans last, or raise OutOfCredits.

    Safe against concurrent spends: the row is locked where the database can, and the update is
    conditional everywhere.
    """
    # Not FOR UPDATE: rows of this and other transactions refer to the account, and hold its key.
    lock = {"key_share": True}
    account = session.get(Account, account_id, with_for_update=lock, populate_existing=True)
    if account is None:
        raise NotFound
    free = min(cost, account.credits_free)
    amount = Amount(free, cost - free)
    _move(session, account_id, operation_id, "reserve", Amount(-amount.free, -amount.paid))
    return amount


def refuse_poor(session: Session, account_id: str, cost: int) -> None:
    """Raise OutOfCredits when the account has less than `cost`: before any work is done."""
    account = session.get_one(Account, account_id)
    if account.credits_free + account.credits_paid < cost:
        raise OutOfCredits


def capture(session: Session, account_id: str, operation_id: str, amount: Amount) -> None:
    """Make a reservation final. It moves nothing; its row says that no refund may follow."""
    _write(session, account_id, operation_id, "capture", Amount(0, 0))
    _count(session, "capture", amount)


def refund(session: Session, account_id: str, operation_id: str, amount: Amount) -> None:
    """Give a reservation back: an operation is either captured or refunded, its key says so."""
    _move(session, account_id, operation_id, "refund", amount)


def balance_of(session: Session, account_id: str) -> Amount:
    """What the ledger says an account has."""
    sums = select(func.sum(LedgerEntry.free), func.sum(LedgerEntry.paid))
    free, paid = session.exec(sums.where(LedgerEntry.account_id == account_id)).one()
    return Amount(int(free or 0), int(paid or 0))


def _move(session: Session, account_id: str, operation_id: str, kind: str, amount: Amount) -> None:
    changed = session.exec(
        update(Account)
        .where(
            col(Account.id) == account_id,
            col(Account.credits_free) + amount.free >= 0,
            col(Account.credits_paid) + amount.paid >= 0,
        )
        .values(
            credits_free=Account.credits_free + amount.free,
            credits_paid=Account.credits_paid + amount.paid,
        )
    )
    if changed.rowcount != 1:
        raise OutOfCredits
    _write(session, account_id, operation_id, kind, amount)
    _count(session, kind, amount)


def _count(session: Session, kind: str, amount: Amount) -> None:
    counted(session, "calotype_credits_total", kind, by=abs(amount.free + amount.paid))


def _write(session: Session, account_id: str, operation_id: str, kind: str, amount: Amount) -> None:
    session.add(
        LedgerEntry(
            account_id=account_id,
            operation_id=operation_id,
            step=_STEP[kind],
            kind=kind,
            free=amount.free,
            paid=amount.paid,
        )
    )
