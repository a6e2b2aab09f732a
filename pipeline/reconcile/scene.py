"""What a round looks at, and by what rules."""

from datetime import datetime, timedelta
from typing import NamedTuple

from models.columns import now
from models.database import Database
from models.settings import Settings
from pipeline.bus import Bus
from pipeline.storage import Storage

# What is younger may still be in the hands of the process that wrote it.
_GRACE = timedelta(seconds=10)
_SLACK = timedelta(minutes=5)


class Rules(NamedTuple):
    """How old something is before nobody can be at work on it any more."""

    announced: timedelta
    """Rows whose announcement was certainly tried."""
    received: timedelta
    """Originals and reservations of requests, which may take their time to arrive."""
    written: timedelta
    """Objects of orders."""
    dead: timedelta
    """Dead letters."""


def rules_of(settings: Settings) -> Rules:
    """The rules that follow from the deadlines in the settings."""
    longest = settings.body_seconds + settings.source_seconds + settings.render_seconds
    return Rules(
        announced=_GRACE,
        received=2 * timedelta(seconds=longest) + _SLACK,
        written=timedelta(seconds=settings.job_seconds) + _SLACK,
        dead=timedelta(days=settings.dead_days),
    )


class Scene(NamedTuple):
    """The system, and whether it is only looked at."""

    database: Database
    storage: Storage
    bus: Bus
    rules: Rules
    dry: bool = False

    def before(self, age: timedelta) -> datetime:
        """The moment before which everything is older than `age`."""
        return now() - age
