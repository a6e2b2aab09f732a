"""Purges reach the edge, also those that were said while it was away."""

import contextlib
from pathlib import Path

import msgspec

from cdn_edge.app import Edge
from models.events import Purged
from pipeline.bus import Bus
from pipeline.follower import Mark, follow

_read_purge = msgspec.json.Decoder(Purged).decode
_read_mark = msgspec.json.Decoder(Mark).decode


async def follow_purges(bus: Bus, edge: Edge, folder: Path) -> None:
    """Keep the edge's cache true until cancelled. What was heard last is kept in `folder`."""
    await follow(bus, _remembered(folder), _Purges(edge, folder))


class _Purges:
    """Does what a purge says, and remembers how far it came."""

    def __init__(self, edge: Edge, folder: Path) -> None:
        self._edge = edge
        self._folder = folder

    async def heard(self, data: bytes, mark: Mark) -> None:
        purge = _read_purge(data)
        for key in purge.keys:
            await self._edge.forget(purge.bucket, key)
        if not purge.keys:
            await self._edge.forget_bucket(purge.bucket)
        _remember(self._folder, mark)

    async def lost(self, mark: Mark) -> None:
        await self._edge.forget_everything()
        _remember(self._folder, mark)

    def sure(self) -> None:
        self._edge.trust()

    def unsure(self) -> None:
        self._edge.distrust()


def _remembered(folder: Path) -> Mark | None:
    """The mark of an earlier life; without one the cache of that life cannot be trusted."""
    with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
        return _read_mark((folder / "heard.json").read_bytes())
    return None


def _remember(folder: Path, mark: Mark) -> None:
    fresh = folder / "heard.json.new"
    fresh.write_bytes(msgspec.json.encode(mark))
    fresh.replace(folder / "heard.json")
