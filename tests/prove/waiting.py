"""Waiting for what others do: looked at again and again, for so long."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def becomes(true: Callable[[], object], seconds: float, every: float = 0.02) -> bool:
    """Whether it becomes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every)
    return True


async def becomes_so(true: Callable[[], Awaitable[object]], seconds: float) -> bool:
    """The same for what has to be asked."""
    deadline = time.monotonic() + seconds
    while not await true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True
