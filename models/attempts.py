"""Attempts at an order: begun, forgiven when it was not to blame, counted, and the last one."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select, update

from models.columns import now
from models.errors import NotFound
from models.events import Failure, OrderDied, dead_subject
from models.meter import counted
from models.orders import fail_order, find_order, open_work
from models.outgoing import announce
from models.records import Bucket, Image, Order


class Start(NamedTuple):
    """An order; with what is needed to process it if it waits, or why it can never be."""

    order: Order
    work: tuple[Order, Bucket, list[Image]] | None
    obstacle: NotFound | None = None


def start_work(session: Session, order_id: str) -> Start | None:
    """What there is to do for a message; None when there is no such order.

    Raises Unavailable while it is not this order's turn.
    """
    order = find_order(session, order_id)
    if order is None:
        return None
    try:
        return Start(order, open_work(session, order_id))
    except NotFound as error:
        return Start(order, None, error)


def count_begun(session: Session, order_id: str) -> None:
    """Somebody works on this order: he is counted until he is heard of."""
    this = (col(Order.id) == order_id, col(Order.state) == "pending")
    session.exec(update(Order).where(*this).values(begun=Order.begun + 1))


def forgive(session: Session, order_id: str) -> None:
    """Who had this order lives, and could not do it for want of something of ours."""
    begun = (col(Order.id) == order_id, col(Order.begun) > 0)
    session.exec(update(Order).where(*begun).values(begun=Order.begun - 1))


def count_attempt(session: Session, order_id: str) -> int:
    """Note that an attempt failed; how many have by now."""
    counted = {"attempts": Order.attempts + 1, "begun": 0}
    session.exec(update(Order).where(col(Order.id) == order_id).values(**counted))
    return session.exec(select(Order.attempts).where(Order.id == order_id)).one()


def fail_attempt(
    session: Session, order_id: str, failure: Failure, most: int | None, left: Sequence[str] = ()
) -> int:
    """Count an attempt that failed: how many there were if there may be more, 0 if it was the last.

    With the last of `most` the order fails and is refunded and parked, all in this transaction.
    """
    tries = count_attempt(session, order_id)
    if most is None or tries < most:
        counted(session, "calotype_order_retries_total", failure.code)
        return tries
    if fail_order(session, order_id, failure, left):
        park(session, order_id, failure)
    return 0


def park(session: Session, order_id: str, failure: Failure) -> None:
    """Make a failed order a dead letter: its original stays where it is for a while."""
    order = session.get_one(Order, order_id)
    order.parked_at = now()
    counted(session, "calotype_orders_total", "dead")
    announce(session, dead_subject(order_id), died(order, failure))


def died(order: Order, failure: Failure) -> OrderDied:
    """What is said of an order that became a dead letter."""
    return OrderDied(
        order_id=order.id, request_id=order.request_id, attempts=order.attempts, failure=failure
    )
