"""A generation's life within its order: asked for by one worker at a time, kept once."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, update

from models.columns import now
from models.events import Original
from models.generation import Generated
from models.records import Order


def hold(session: Session, order_id: str, seconds: float) -> bool:
    """Keep everybody else from asking the model for this order; False when somebody has it.

    A message of an order can be delivered twice at the same time, and an answer costs money.
    """
    free = or_(col(Order.held_until).is_(None), col(Order.held_until) < now())
    return _held(session, order_id, now() + timedelta(seconds=seconds), free)


def hold_on(session: Session, order_id: str, seconds: float) -> bool:
    """Hold it for longer."""
    return _held(session, order_id, now() + timedelta(seconds=seconds))


def let_go(session: Session, order_id: str) -> bool:
    """Somebody else may ask."""
    return _held(session, order_id, None)


def keep_generated(session: Session, order_id: str, generated: Generated) -> bool:
    """What was generated is the order's original from now on; False when that is another one.

    Two who were told of this order may find the same note: the second one finds it kept.
    """
    order = session.get(Order, order_id, with_for_update=True, populate_existing=True)
    if order is None:
        return False
    if order.state != "pending" or order.generated is not None:
        return order.staging_key == generated.staging_key
    order.generated = generated
    order.staging_key = generated.staging_key
    order.held_until = None
    order.original = _original(order.original, generated)
    return True


def _original(known: Original, generated: Generated) -> Original:
    return msgspec.structs.replace(
        known, size=generated.size, sha256=generated.sha256, content_type=generated.content_type
    )


def _held(
    session: Session, order_id: str, until: datetime | None, *also: ColumnElement[bool]
) -> bool:
    pending = (col(Order.id) == order_id, col(Order.state) == "pending")
    held = session.exec(update(Order).where(*pending, *also).values(held_until=until))
    return held.rowcount == 1
