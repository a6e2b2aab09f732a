"""A row of the proof: what is tried, what came of it. A row plugs in by its line in `rows.py`.

    def prove(ground: Ground) -> Outcome:
        cuts = ground.times(20, short=2)
        ...
        return Outcome(tried=acked, survived=found, lost=acked - found, figures={"cuts": cuts})

    POWER = Row("2", "power cuts", "acknowledged uploads lost in 20 power cuts", prove)

Every row runs in a process of its own, in a new empty folder, and may start what it likes: with
`tests.servers.start` it dies with the row.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from models.wire import Wire


class Outcome(Wire, frozen=True):
    """What a row found: of so many `tried` so many `survived`; `problems` are sentences."""

    tried: int
    survived: int
    lost: int = 0
    duplicates: int = 0
    figures: dict[str, int | float | str] = msgspec.field(default_factory=dict)
    problems: tuple[str, ...] = ()
    skipped: str = ""
    """Why it could not be tried here (no root, for example). Skipped is not failed."""

    @property
    def holds(self) -> bool:
        """Whether everything that was tried survived, once, and without a complaint."""
        clean = not (self.lost or self.duplicates or self.problems)
        return clean and (bool(self.skipped) or 0 < self.tried == self.survived)


def skipped(why: str) -> Outcome:
    """The outcome of a row that cannot be tried on this machine."""
    return Outcome(tried=0, survived=0, skipped=why)


class Ground(NamedTuple):
    """What a row gets: a folder in memory where there is some, and whether time is short."""

    name: str
    folder: Path
    short: bool
    seed: int
    began: float

    def times(self, full: int, *, short: int) -> int:
        """How often, in a full run and in a short one."""
        return short if self.short else full

    def say(self, text: str) -> None:
        """A line of progress on stderr."""
        seconds = time.monotonic() - self.began
        sys.stderr.write(f"{seconds:7.1f}s  {self.name:<22} {text}\n")
        sys.stderr.flush()


class Row(NamedTuple):
    """One line of the table.

    Rows of one `lane` run one after another in the order of `rows.py`, lanes beside each other.
    What is timed closely belongs to the end of a lane, when others are through; or into "alone",
    which waits until all are.
    """

    number: str
    name: str
    promise: str
    prove: Callable[[Ground], Outcome]
    lane: str = "first"
    seconds: float = 2700
    """A row that takes longer has failed."""
