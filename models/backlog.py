"""What waits, as the database knows it: orders, announcements, dead letters."""

from datetime import datetime

import msgspec
from sqlmodel import Session, col, func, select, text

from models.records import Order, Outbox
from models.wire import Wire


class Backlog(Wire, frozen=True):
    """How many orders are unfinished, dead or not announced, and since when the oldest wait."""

    pending: int = 0
    oldest: datetime | None = None
    oldest_order: str = ""
    dead: int = 0
    unsent: int = 0
    oldest_unsent: datetime | None = msgspec.field(default=None)


def backlog(session: Session) -> Backlog:
    """All of it, from indexes."""
    waiting = select(func.count()).select_from(Order).where(text("state = 'pending'"))
    dead = select(func.count()).select_from(Order).where(col(Order.parked_at).is_not(None))
    unsent = select(func.count(), func.min(Outbox.created_at)).where(col(Outbox.sent_at).is_(None))
    first = select(col(Order.created_at), col(Order.id)).where(text("state = 'pending'"))
    oldest = session.exec(first.order_by(col(Order.created_at)).limit(1)).first()
    announcements, oldest_unsent = session.exec(unsent).one()
    return Backlog(
        pending=session.exec(waiting).one(),
        oldest=oldest and oldest[0],
        oldest_order=oldest[1] if oldest else "",
        dead=session.exec(dead).one(),
        unsent=announcements,
        oldest_unsent=oldest_unsent,
    )
