"""Where what happens is counted. Names and labels are in `models.catalogue`."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlmodel import Session

_TOLD = "told to the meter"


class Meter:
    """Takes counts and forgets them: what a system without metrics has. Safe in every thread."""

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """There are so many more; 0 only makes the series known."""

    def timed(self, name: str, *labels: str, seconds: float) -> None:
        """Something took so long."""

    def timed_many(self, name: str, *labels: str, slots: Sequence[int], seconds: float) -> None:
        """So many of each of the metric's bounds, and the last beyond them; together so long."""

    def show(self, name: str, *labels: str, value: float) -> None:
        """A gauge stands there now."""

    def watch(self, look: Callable[[], None]) -> None:
        """Call `look` in the event loop before anybody reads: for what is cheaper kept as it is."""

    def sums(self, name: str, label: str) -> dict[str, float]:  # noqa: ARG002  it knows none
        """What a metric says right now by one of its labels, the others summed."""
        return {}

    @contextmanager
    def timing(self, name: str, *labels: str) -> Iterator[None]:
        """How long the block takes, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timed(name, *labels, seconds=time.perf_counter() - began)


def afterwards(session: Session, tell: Callable[[Meter], None]) -> None:
    """Tell the meter this when the transaction has committed, and nothing when it does not."""
    session.info.setdefault(_TOLD, []).append(tell)


def counted(session: Session, name: str, *labels: str, by: float = 1) -> None:
    """Count this when the transaction has committed."""
    afterwards(session, lambda meter: meter.count(name, *labels, by=by))


def tell_meter(session: Session, meter: Meter) -> None:
    """The transaction has committed: count what it did."""
    for tell in session.info.pop(_TOLD, ()):
        tell(meter)
