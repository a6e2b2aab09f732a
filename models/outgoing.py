"""What a transaction has to say to others, once it is committed."""

import msgspec
from sqlmodel import Session

from models.events import Event
from models.records import Outbox
from models.trail import carried


def announce(session: Session, subject: str, event: Event) -> None:
    """Say `event` on the bus when this transaction commits, and until it is heard."""
    payload = msgspec.json.encode(event)
    row = Outbox(subject=subject, payload=payload, carried=carried())
    session.add(row)
    session.info.setdefault("announced", []).append(row)
