"""What waits, as the database knows it: orders, announcements, dead letters."""

from datetime import datetime

from sqlmodel import Session, col, func, select, text
from sqlmodel.sql.expression import SelectOfScalar

from models.records import Order, Outbox
from models.wire import Wire

MOST = 10_000
"""Rows of a kind that are counted: beyond that there are too many, and how many is of no use."""


class Backlog(Wire, frozen=True):
    """How many orders are unfinished, dead or not announced, and since when the oldest wait."""

    pending: int = 0
    oldest: datetime | None = None
    oldest_order: str = ""
    dead: int = 0
    unsent: int = 0
    oldest_unsent: datetime | None = None


def backlog(session: Session) -> Backlog:
    """All of it. Conditions are written as those of the partial indexes: nothing else is read."""
    pending, unsent = text("state = 'pending'"), text("sent_at IS NULL")
    first = select(col(Order.created_at), col(Order.id)).where(pending)
    oldest = session.exec(first.order_by(col(Order.created_at)).limit(1)).first()
    unsaid = select(Outbox.created_at).where(unsent).order_by(col(Outbox.created_at))
    return Backlog(
        pending=_count(session, select(Order.id).where(pending)),
        oldest=oldest and oldest[0],
        oldest_order=oldest[1] if oldest else "",
        dead=_count(session, select(Order.id).where(text("parked_at IS NOT NULL"))),
        unsent=_count(session, select(Outbox.id).where(unsent)),
        oldest_unsent=session.exec(unsaid.limit(1)).first(),
    )


def _count(session: Session, rows: SelectOfScalar[str]) -> int:
    return session.exec(select(func.count()).select_from(rows.limit(MOST).subquery())).one()
