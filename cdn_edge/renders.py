"""How many renders an account may have a second: only what has to be made is counted."""

import math
import time
from typing import Final

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from models.errors import TooManyRequests

_NAME: Final = "renders"


class RenderRates:
    """Counts the renders of each account in this process; an empty limit lets all through."""

    def __init__(self, limit: str) -> None:
        self._item = parse(limit) if limit else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def take(self, account: str) -> None:
        """Count one render, or raise TooManyRequests that says when to come back."""
        if self._item is None or await self._limiter.hit(self._item, _NAME, account):
            return
        window = await self._limiter.get_window_stats(self._item, _NAME, account)
        raise TooManyRequests(
            "Too many new conversions for this account.",
            retry_after=max(1, math.ceil(window.reset_time - time.time())),
        )
