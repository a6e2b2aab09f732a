"""What is counted of answers. A hit from memory pays four additions; the rest is worth a word.

granian's thread and the event loop both add here, without a lock: an addition in place to a number
in a slot, a list or a dict is one step for the interpreter's lock, which is looked at by calls and
jumps alone.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeAlias

from cdn_edge.rsgi import HTTPProtocol
from models.catalogue import HITS
from models.meter import Meter

NONE = "none"
"""The tier of what is refused, or no picture at all."""
_STATUSES = (200, 206, 304, 412, 416)


Note: TypeAlias = Callable[[int, int, float], None]
"""Called with a status, bytes, and when the request came."""


class Hits:
    """Hits from memory since the start: how they were answered, bytes, and what they took."""

    __slots__ = ("seconds", "size", "slots", "statuses")

    def __init__(self) -> None:
        self.statuses = dict.fromkeys(_STATUSES, 0)
        self.size = 0
        self.seconds = 0.0
        self.slots = [0] * (len(HITS) + 1)

    def note(self, status: int, size: int, began: float) -> None:
        """One more."""
        took = perf_counter() - began
        self.statuses[status] += 1
        self.size += size
        self.seconds += took
        self.slots[bisect_left(HITS, took)] += 1


class Tallies:
    """Tells a meter of all answers: of hits when it looks, of others at once."""

    def __init__(self, meter: Meter) -> None:
        self.hits = Hits()
        self._meter = meter
        self._told = Hits()
        meter.watch(self._tell_hits)

    @property
    def note_hit(self) -> Note:
        """What a hit calls; nothing is done where nothing is shown."""
        return _unnoted if type(self._meter) is Meter else self.hits.note

    def answered(self, tier: str, noted: "Noted", began: float) -> None:
        """An answer that was no plain hit."""
        seconds = perf_counter() - began
        self._meter.count("calotype_edge_requests_total", tier, str(noted.status))
        self._meter.count("calotype_edge_bytes_total", tier, by=noted.size)
        self._meter.timed("calotype_edge_request_seconds", tier, seconds=seconds)

    def collapsed(self) -> None:
        """Somebody got the answer that another had asked for."""
        self._meter.count("calotype_edge_collapsed_total")

    def _tell_hits(self) -> None:
        """What has been added since the last time."""
        hits, told, meter = self.hits, self._told, self._meter
        for status in _STATUSES:
            now = hits.statuses[status]
            if new := now - told.statuses[status]:
                meter.count("calotype_edge_requests_total", "memory", str(status), by=new)
            told.statuses[status] = now
        size, seconds, slots = hits.size, hits.seconds, hits.slots.copy()
        meter.count("calotype_edge_bytes_total", "memory", by=size - told.size)
        new_slots = _less(slots, told.slots)
        name = "calotype_edge_request_seconds"
        meter.timed_many(name, "memory", slots=new_slots, seconds=seconds - told.seconds)
        told.size, told.seconds, told.slots = size, seconds, slots


class Noted:
    """Stands before an answer: its status, and how many bytes it has."""

    def __init__(self, proto: HTTPProtocol) -> None:
        self._proto = proto
        self.status = 0
        self.size = 0

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""
        self.status = status
        self._proto.response_empty(status, headers)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with these bytes."""
        self.status, self.size = status, len(body)
        self._proto.response_bytes(status, headers, body)


def tier_of(status: str) -> str:
    """Where a copy came from, by what its Cache-Status says."""
    if status.startswith("hit"):
        return "disk" if "detail=disk" in status else "memory"
    return "render" if "detail=rendered" in status else "store"


def _unnoted(_status: int, _size: int, _began: float) -> None:
    """Nobody wants to know."""


def _less(now: Sequence[int], then: Sequence[int]) -> list[int]:
    return [one - other for one, other in zip(now, then, strict=True)]
