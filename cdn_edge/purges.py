"""Purges reach the edge, also those that were said while it was away."""

from collections.abc import Callable

import msgspec
import structlog

from cdn_edge.app import Edge
from cdn_edge.policies import Policies
from models.events import News, PolicyChanged, Purged
from models.failpoint import failpoint
from pipeline.bus import Bus
from pipeline.follower import Mark, follow

log = structlog.get_logger(__name__)

_read_news: Callable[[bytes], News] = msgspec.json.Decoder(News).decode
_read_mark = msgspec.json.Decoder(Mark).decode


async def follow_purges(bus: Bus, edge: Edge, policies: Policies) -> None:
    """Keep what the edge remembers true until cancelled; how far it heard is kept on disk."""
    await follow(bus, _mark(await edge.bookmark()), _Purges(edge, policies))


class _Purges:
    """Does what a purge says, and remembers how far it came."""

    def __init__(self, edge: Edge, policies: Policies) -> None:
        self._edge = edge
        self._policies = policies

    async def heard(self, data: bytes, mark: Mark) -> None:
        news = _read_news(data)
        failpoint("E1.heard")
        if isinstance(news, PolicyChanged):
            self._policies.forget(news.account)
        else:
            await self._purge(news)
        failpoint("E2.forgotten")
        await self._edge.set_bookmark(_text(mark))
        failpoint("E3.bookmarked")

    async def _purge(self, purge: Purged) -> None:
        log.debug("purged", bucket=purge.bucket, objects=len(purge.keys))
        for key in purge.keys:
            await self._edge.forget(purge.bucket, key)
        if not purge.keys:
            await self._edge.forget_bucket(purge.bucket)

    async def lost(self, mark: Mark) -> None:
        self._policies.forget_everything()
        await self._edge.forget_everything()
        await self._edge.set_bookmark(_text(mark))

    def sure(self) -> None:
        self._policies.trust()
        self._edge.trust()

    def unsure(self) -> None:
        self._policies.distrust()
        self._edge.distrust()


def _mark(text: str) -> Mark | None:
    """The mark of an earlier life; without one the cache of that life cannot be trusted."""
    try:
        return _read_mark(text)
    except msgspec.MsgspecError:
        return None


def _text(mark: Mark) -> str:
    return msgspec.json.encode(mark).decode()
