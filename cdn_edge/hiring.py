"""The studio of an edge: one that is there already, or its own, opened by the first render."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from cdn_edge.darkroom import Hire
from models.errors import Unavailable
from models.meter import Meter
from models.settings import Settings
from pipeline.role import limits_of
from pipeline.studio import Studio

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def hiring(
    settings: Settings, studio: Studio | None, meter: Meter | None = None
) -> AsyncIterator[Hire]:
    """Gives the studio while the block runs. An edge that only serves never pays for one."""
    async with contextlib.AsyncExitStack() as stack:
        lock = asyncio.Lock()
        hired = studio

        async def hire() -> Studio:
            nonlocal hired
            async with lock:
                if hired is None:
                    own = Studio(
                        children=settings.edge_children, limits=limits_of(settings), meter=meter
                    )
                    hired = await _opened(stack, own)
                return hired

        yield hire


async def _opened(stack: contextlib.AsyncExitStack, studio: Studio) -> Studio:
    """Raises Unavailable when its children do not start: the next render tries again."""
    try:
        return await stack.enter_async_context(studio)
    except OSError as error:
        log.exception("the render children of the edge do not start")
        raise Unavailable from error
