"""What is looked for, and what a round found."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from models.wire import Wire

# Every finding is counted; so many of each kind are also named.
_NAMED = 50


class Kind(NamedTuple):
    """One thing that may be wrong: what it is called, and what is done about it."""

    title: str
    remedy: str


KINDS = {
    "unsent": Kind("Announcements that the bus has not got", "sent"),
    "orders": Kind("Accepted orders without a message", "announced again"),
    "tombstones": Kind("Deleted images without a message", "announced again"),
    "buckets": Kind("Deleted buckets without a message", "announced again"),
    "drops": Kind("Dropped objects said to a stream that is gone", "announced again"),
    "reservations": Kind("Credits reserved for what is over", "refunded, or captured"),
    "letters": Kind("Dead letters that the stream and the database disagree about", "agreed"),
    "staging": Kind("Originals that no order needs", "deleted"),
    "litter": Kind("Files that broken writes left", "deleted"),
    "orphans": Kind("Objects without a row", "deleted"),
    "strangers": Kind("Objects that we cannot have written", "only shown: left alone"),
    "missing": Kind("Variants whose object is gone", "only shown: upload it anew"),
    "sizes": Kind("Images whose size is not the sum of their variants", "corrected"),
    "storage": Kind("Accounts whose used storage is not the sum of their images", "corrected"),
    "counts": Kind("Buckets that count another number of images than they have", "corrected"),
    "balances": Kind("Accounts whose credits are not their ledger's sum", "only shown: look why"),
}

_NOW_AND_THEN = (
    *("reservations", "staging", "litter", "orphans", "strangers", "missing"),
    *("sizes", "storage", "counts", "balances"),
)
FOUND_BY = {
    "round": ("unsent", "orders", "tombstones", "buckets", "drops", "reservations", "letters"),
    "sweep": _NOW_AND_THEN,
}
"""What a round can find, and what a sweep can."""

REPORTED_ONLY = frozenset({"strangers", "missing", "balances"})


class Finding(Wire, frozen=True):
    """One thing that was wrong: its kind, which one, and what else is known of it."""

    kind: str
    what: str
    note: str = ""


class Findings(Wire, frozen=True):
    """What one round found: how many of each kind, some of each by name; what it could not see."""

    counts: dict[str, int] = msgspec.field(default_factory=dict)
    named: tuple[Finding, ...] = ()
    unseen: dict[str, str] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything was found, or could not be looked at."""
        return bool(self.counts or self.unseen)


class Report:
    """Collects what a round finds; memory is bounded however much that is."""

    def __init__(
        self,
        told: Callable[[str, int], None] | None = None,
        stepped: Callable[[], None] | None = None,
    ) -> None:
        self._counts: Counter[str] = Counter()
        self._named: list[Finding] = []
        self._unseen: dict[str, str] = {}
        self._told = told
        self._stepped = stepped

    def add(self, kind: str, what: str, note: str = "") -> None:
        """There is one more of a kind."""
        self._counts[kind] += 1
        if self._counts[kind] <= _NAMED:
            self._named.append(Finding(kind, what, note))

    def looked(self, step: str, count: int) -> None:
        """So many more things were looked at; told to who waits."""
        if self._told is not None:
            self._told(step, count)

    def stepped(self) -> None:
        """A step is over; told to who waits."""
        if self._stepped is not None:
            self._stepped()

    def blind(self, step: str, reason: str) -> None:
        """A step could not be done."""
        self._unseen[step] = reason

    @property
    def findings(self) -> Findings:
        """All of it so far."""
        return Findings(dict(self._counts), tuple(self._named), dict(self._unseen))
