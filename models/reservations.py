"""Reservations that nobody closed: a conversion was killed, or a row of the ledger is missing."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select, text

from models.ledger import Amount, capture, refund
from models.records import LedgerEntry, Order

PAGE = 500


class Open(NamedTuple):
    """Credits that were taken for an operation, and what became of the order if it was one."""

    account_id: str
    operation_id: str
    amount: Amount
    order: str | None


def open_reservations(session: Session, since: datetime, before: datetime) -> list[Open]:
    """Some reservations between two moments that wait for nothing: no order that is pending."""
    close = aliased(LedgerEntry)
    closed = select(close.id).where(
        close.operation_id == LedgerEntry.operation_id, close.step == "close"
    )
    found = (
        select(LedgerEntry, Order.state)
        .join(Order, col(Order.id) == LedgerEntry.operation_id, isouter=True)
        .where(
            text("ledger.kind = 'reserve'"),
            LedgerEntry.created_at >= since,
            LedgerEntry.created_at < before,
            or_(col(Order.state).is_(None), Order.state != "pending"),
            ~closed.exists(),
        )
        .order_by(col(LedgerEntry.created_at))
        .limit(PAGE)
    )
    return [
        Open(entry.account_id, entry.operation_id, Amount(-entry.free, -entry.paid), state)
        for entry, state in session.exec(found)
    ]


def settle(session: Session, found: Open) -> None:
    """Give the credits back; for an order that is done, write down that they are spent.

    Raises IntegrityError when somebody else closed it meanwhile, and then nothing is moved.
    """
    if found.order == "done":
        capture(session, found.account_id, found.operation_id, found.amount)
    else:
        refund(session, found.account_id, found.operation_id, found.amount)
