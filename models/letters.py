"""Dead letters: failed orders that somebody should look at, with their originals kept."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select, update

from models.attempts import died
from models.errors import NotFound
from models.events import Change, Failure, dead_subject
from models.orders import Draft, accept_order
from models.outgoing import announce
from models.records import Order, new_id


def parked_orders(session: Session, after: str = "", limit: int = 500) -> list[Order]:
    """A page of the orders that are dead letters, by id."""
    parked = select(Order).where(col(Order.parked_at).is_not(None), col(Order.id) > after)
    return list(session.exec(parked.order_by(col(Order.id)).limit(limit)))


def still_parked(session: Session, order_ids: Collection[str]) -> set[str]:
    """Those of these orders that are dead letters."""
    parked = select(Order.id).where(col(Order.parked_at).is_not(None), col(Order.id).in_(order_ids))
    return set(session.exec(parked))


def announce_dead(session: Session, orders: Sequence[Order]) -> None:
    """Say again of these that they are dead letters."""
    for order in orders:
        failure = order.failure or Failure(status=500, code="", message="")
        announce(session, dead_subject(order.id), died(order, failure))


def expire_letters(session: Session, before: datetime) -> list[str]:
    """Dead letters older than this are none any more; which orders they were of."""
    old = list(session.exec(select(Order.id).where(col(Order.parked_at) < before)))
    for order_id in old:
        drop_letter(session, order_id)
    return old


def drop_letter(session: Session, order_id: str) -> None:
    """The order is a dead letter no more: its original may go. NotFound when it is none."""
    this = (col(Order.id) == order_id, col(Order.parked_at).is_not(None))
    if session.exec(update(Order).where(*this).values(parked_at=None)).rowcount != 1:
        raise NotFound(f"There is no dead letter of an order '{order_id}'.")


def retry_letter(session: Session, order_id: str) -> str:
    """Accept the order anew, and pay it anew: it was refunded. The id of the new order.

    All in one transaction, so that no letter is retried twice. Raises what accept_order raises:
    OutOfCredits, OutOfStorage, NotFound, ...; then it stays a dead letter.
    """
    drop_letter(session, order_id)
    order = session.get_one(Order, order_id, populate_existing=True)
    draft = _draft(order, new_id())
    accept_order(session, draft)
    return draft.order_id


def _draft(order: Order, order_id: str) -> Draft:
    return Draft(
        order_id=order_id,
        account_id=order.account_id,
        bucket_id=order.bucket_id,
        staging_key=order.staging_key,
        original=order.original,
        asked=order.asked,
        cost=order.cost_free + order.cost_paid,
        change=order.change or Change(),
        kind=order.kind,
        image_id=order.image_id,
        prefix=order.prefix,
        unique_keys=order.unique_keys,
        generation=order.generation,
        generated=order.generated,
        request_id=order.request_id,
    )
