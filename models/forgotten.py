"""What waits in the database for a message: orders, tombstones, deleted buckets, dropped objects.

The database is the truth, so a stream that lost them is filled again from here. A message that is
said once too often does no harm: whoever hears it looks here first.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, SQLColumnExpression
from sqlmodel import Session, and_, col, or_, select, text, update

from models.events import (
    DROPS,
    BucketDeleted,
    Event,
    ImageDeleted,
    OrderAccepted,
    deletion_subject,
    order_subject,
)
from models.outgoing import announce
from models.records import Bucket, Image, Order, Outbox

PAGE = 500


class Waiting(NamedTuple):
    """Something that waits since a moment, and what is to be said of it."""

    since: datetime
    id: str
    subject: str
    event: Event


FindWaiting = Callable[[Session, datetime, Waiting | None], list[Waiting]]


def waiting_orders(session: Session, before: datetime, after: Waiting | None) -> list[Waiting]:
    """A page of the orders that wait since `before`, oldest first."""
    place = (col(Order.created_at), col(Order.id))
    found = select(*place, Order.request_id).where(text("state = 'pending'"), place[0] < before)
    page = session.exec(found.where(_beyond(place, after)).order_by(*place).limit(PAGE))
    return [
        Waiting(since, one, order_subject(one), OrderAccepted(order_id=one, request_id=request))
        for since, one, request in page
    ]


def waiting_tombstones(session: Session, before: datetime, after: Waiting | None) -> list[Waiting]:
    """A page of the images that are to be buried since `before`, oldest first."""
    place = (col(Image.updated_at), col(Image.id))
    found = select(*place).where(text("state = 'deleted'"), place[0] < before)
    page = session.exec(found.where(_beyond(place, after)).order_by(*place).limit(PAGE))
    return [
        Waiting(since, one, deletion_subject(one), ImageDeleted(image_id=one))
        for since, one in page
    ]


def waiting_buckets(session: Session, before: datetime, after: Waiting | None) -> list[Waiting]:
    """A page of the deleted buckets whose keys are still needed: they go when it is cleared."""
    place = (col(Bucket.deleted_at), col(Bucket.id))
    found = select(*place).where(col(Bucket.credentials).is_not(None), place[0] < before)
    page = session.exec(found.where(_beyond(place, after)).order_by(*place).limit(PAGE))
    return [
        Waiting(since, one, deletion_subject(one), BucketDeleted(bucket_id=one))
        for since, one in page
        if since is not None
    ]


def _beyond(
    place: tuple[SQLColumnExpression[Any], SQLColumnExpression[str]], last: Waiting | None
) -> ColumnElement[bool]:
    since, one = place
    if last is None:
        return since.is_not(None)
    return or_(since > last.since, and_(since == last.since, one > last.id))


def announce_again(session: Session, waiting: Sequence[Waiting]) -> None:
    """Say of all these that they wait."""
    for one in waiting:
        announce(session, one.subject, one.event)


def lost_drops(session: Session, born: datetime) -> list[str]:
    """Announcements of dropped objects that were said to a stream older than the one `born` then.

    Nothing but the announcement knows of these objects. Some may be done: once more does no harm.
    """
    dropped = col(Outbox.subject).startswith(f"{DROPS}.")
    return list(session.exec(select(Outbox.id).where(dropped, col(Outbox.sent_at) < born)))


def unsay(session: Session, ids: Sequence[str]) -> None:
    """Have these announcements said again: nobody heard them."""
    session.exec(update(Outbox).where(col(Outbox.id).in_(ids)).values(sent_at=None))


def unsent_subjects(session: Session, before: datetime) -> list[str]:
    """What the announcements older than `before` are about that the bus has not got."""
    unsent = select(Outbox.subject).where(col(Outbox.sent_at).is_(None))
    return list(session.exec(unsent.where(Outbox.created_at < before)))
