"""Replays: an Idempotency-Key has one effect; the same request again gets the same answer."""

from datetime import timedelta

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, select, update

from models.columns import now
from models.errors import StillRunning
from models.records import Replay
from models.wire import Wire

KEPT = timedelta(hours=24)

# Where a transaction remembers the row it claimed, for the order that it may accept.
_CLAIMED = "claimed replay"


class Use(Wire, frozen=True):
    """One use of a key: whose, where, and a hash of what was asked."""

    account_id: str
    route: str
    key: str
    request_hash: str = ""


class Answer(Wire, frozen=True):
    """What was answered, byte for byte."""

    status: int
    content_type: str
    body: bytes


def claim(session: Session, use: Use) -> None:
    """Write the key down together with whatever this transaction does.

    Raises StillRunning when another transaction was first, and then nothing is done at all.
    """
    old = col(Replay.created_at) <= now() - KEPT
    session.exec(delete(Replay).where(*_of(use), old))
    row = Replay(
        account_id=use.account_id, route=use.route, key=use.key, request_hash=use.request_hash
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError:
        raise StillRunning from None
    session.info[_CLAIMED] = row


def belongs_to_order(session: Session, order_id: str) -> None:
    """Tie the key claimed in this transaction, if there is one, to the order it accepts."""
    row = session.info.get(_CLAIMED)
    if isinstance(row, Replay):
        row.order_id = order_id


def find_replay(session: Session, use: Use) -> Replay | None:
    """What is known of a key that was used within the last day."""
    fresh = col(Replay.created_at) > now() - KEPT
    return session.exec(select(Replay).where(*_of(use), fresh)).first()


def keep_answer(session: Session, use: Use, answer: Answer) -> bool:
    """Remember what was answered; False when there is an answer already, or no such key."""
    kept = session.exec(
        update(Replay)
        .where(*_of(use), col(Replay.status).is_(None))
        .values(status=answer.status, content_type=answer.content_type, body=answer.body)
    )
    return kept.rowcount == 1


def forget_replays(session: Session) -> int:
    """Drop the keys of more than a day ago; how many."""
    old = col(Replay.created_at) <= now() - KEPT
    return int(session.exec(delete(Replay).where(old)).rowcount)


def _of(use: Use) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Replay.account_id) == use.account_id,
        col(Replay.route) == use.route,
        col(Replay.key) == use.key,
    )
