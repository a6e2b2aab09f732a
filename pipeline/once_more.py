"""Work whose child was killed from outside is done once more, by another child."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from models.errors import RenderCrashed
from pipeline.children import KilledFromOutside

Made = TypeVar("Made")


async def once_more(work: Callable[[], Awaitable[Made]]) -> Made:
    """What `work` makes, begun anew if need be; RenderCrashed when that is killed as well.

    Not more often: it may be the picture for which the kernel runs out of memory.
    """
    with suppress(KilledFromOutside):
        return await work()
    try:
        return await work()
    except KilledFromOutside:
        raise RenderCrashed from None
