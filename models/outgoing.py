"""What a transaction has to say to others, once it is committed."""

import msgspec
from sqlmodel import Session

from models.events import Event
from models.records import Outbox


def announce(session: Session, subject: str, event: Event) -> None:
    """Say `event` on the bus when this transaction commits, and until it is heard."""
    row = Outbox(subject=subject, payload=msgspec.json.encode(event))
    session.add(row)
    session.info.setdefault("announced", []).append(row)
