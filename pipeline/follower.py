"""Following the purges without missing one, or knowing that one was missed."""

import asyncio
import time
from typing import Protocol

from models.errors import Unavailable
from models.meter import Meter
from models.trail import following
from models.wire import Wire
from pipeline.bus import Bus, Extent, Said


class Mark(Wire, frozen=True):
    """How far a follower has come: which stream, by its birth, and the last purge heard."""

    born: str
    seq: int


class Follower(Protocol):
    """Who follows the purges, and must know when it cannot be sure to have heard them all."""

    async def heard(self, data: bytes, mark: Mark) -> None:
        """The next purge; remember `mark` to go on from it in another life."""

    async def lost(self, mark: Mark) -> None:
        """Purges are gone that were never heard; the follower goes on from `mark`."""

    def sure(self) -> None:
        """Everything said until now was heard."""

    def unsure(self) -> None:
        """The connection is gone: something may have been said since."""


async def follow(bus: Bus, mark: Mark | None, follower: Follower) -> None:
    """Tell `follower` every purge after `mark` until cancelled; breaks are caught up."""
    while True:
        try:
            mark = await _resumed(await bus.extent(), mark, follower)
            async for said in bus.purges(mark.seq):
                if said is not None:
                    # Gone on from only once it is done: what fails half-way is heard again.
                    done = Mark(born=mark.born, seq=said.seq)
                    with following(said.headers):
                        await follower.heard(said.data, done)
                    mark = done
                    _count(bus.meter, said)
                if said is None or not said.waiting:
                    follower.sure()
        except Unavailable:
            follower.unsure()
            await asyncio.sleep(0.2)


def _count(meter: Meter, said: Said) -> None:
    late = max(0.0, time.time() - said.at)
    meter.count("calotype_edge_purges_total")
    meter.timed("calotype_edge_purge_delay_seconds", seconds=late)


async def _resumed(extent: Extent, mark: Mark | None, follower: Follower) -> Mark:
    if mark and mark.born == extent.born and extent.first - 1 <= mark.seq <= extent.last:
        return mark
    newest = Mark(born=extent.born, seq=extent.last)
    await follower.lost(newest)
    return newest
