"""What a check finds, and what to do about it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from gateway.nats_server import NatsAddress
from models.settings import Settings
from models.wire import Wire

State = Literal["ok", "warning", "wrong", "skipped"]


class Finding(Wire, frozen=True):
    """One result. Wrong: it will fail, or lose something. Warning: it works, not as it should."""

    what: str
    state: State
    says: str
    todo: str = ""


class Patient(Wire, frozen=True):
    """The system that is looked at. No bus: its own is not running."""

    settings: Settings
    running: bool | None
    bus: NatsAddress | None = None

    @property
    def data(self) -> Path:
        """Its data folder, which need not be there."""
        return self.settings.data

    @property
    def keeps_data(self) -> bool:
        """Whether its data folder holds more than a cache."""
        return not (self.settings.database_url and self.settings.objects_url)


Check = Callable[[Patient], Awaitable[list[Finding]]]


def ok(what: str, says: str) -> Finding:
    """As it should be."""
    return Finding(what=what, state="ok", says=says)


def warning(what: str, says: str, todo: str) -> Finding:
    """It works, not as it should."""
    return Finding(what=what, state="warning", says=says, todo=todo)


def wrong(what: str, says: str, todo: str = "") -> Finding:
    """It will fail, or lose something."""
    return Finding(what=what, state="wrong", says=says, todo=todo)


def skipped(what: str, says: str) -> Finding:
    """Not looked at, and why."""
    return Finding(what=what, state="skipped", says=says)
