"""What one look at a system found. Values only."""

from datetime import datetime

import msgspec

from models.backlog import Backlog
from models.roll import Present
from models.wire import Wire


class Bus(Wire, frozen=True):
    """The message bus as it answered: its release, who is there, what waits in it."""

    version: str
    present: tuple[Present, ...] = ()
    waiting: int = 0
    in_work: int = 0
    redelivered: int = 0
    dead: int = 0
    streams: bool = True


class Base(Wire, frozen=True):
    """The database as it answered."""

    version: str
    schema: str
    backlog: Backlog = Backlog()


class Facts(Wire, frozen=True):
    """One look: what answered, and why the rest did not."""

    where: str
    embedded: bool
    looked: datetime
    running: bool | None = None
    """Whether a process holds the data folder; None when nobody can tell."""
    bus: Bus | None = None
    base: Base | None = None
    api: str | None = None
    """Where the API answered, asked directly because nobody could be asked on the bus."""
    away: dict[str, str] = msgspec.field(default_factory=dict)
    """What did not answer, and how that looked: 'database', 'message bus', 'object storage'."""
