"""Purges reach the edge, also those that were said while it was away."""

import msgspec

from cdn_edge.app import Edge
from models.events import Purged
from models.failpoint import failpoint
from pipeline.bus import Bus
from pipeline.follower import Mark, follow

_read_purge = msgspec.json.Decoder(Purged).decode
_read_mark = msgspec.json.Decoder(Mark).decode


async def follow_purges(bus: Bus, edge: Edge) -> None:
    """Keep the edge's cache true until cancelled. What was heard last is kept with its copies."""
    await follow(bus, _mark(await edge.bookmark()), _Purges(edge))


class _Purges:
    """Does what a purge says, and remembers how far it came."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def heard(self, data: bytes, mark: Mark) -> None:
        purge = _read_purge(data)
        failpoint("E1.heard")
        for key in purge.keys:
            await self._edge.forget(purge.bucket, key)
        if not purge.keys:
            await self._edge.forget_bucket(purge.bucket)
        failpoint("E2.forgotten")
        await self._edge.set_bookmark(_text(mark))
        failpoint("E3.bookmarked")

    async def lost(self, mark: Mark) -> None:
        await self._edge.forget_everything()
        await self._edge.set_bookmark(_text(mark))

    def sure(self) -> None:
        self._edge.trust()

    def unsure(self) -> None:
        self._edge.distrust()


def _mark(text: str) -> Mark | None:
    """The mark of an earlier life; without one the cache of that life cannot be trusted."""
    try:
        return _read_mark(text)
    except msgspec.MsgspecError:
        return None


def _text(mark: Mark) -> str:
    return msgspec.json.encode(mark).decode()
