"""Company at work: many at the same time, or one who has the place to himself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Company:
    """Who would be alone waits until all others are done; who comes after him waits as long."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextlib.asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Be one of many while the block runs."""
        async with self._door:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the only one while the block runs."""
        async with self._door:
            await self._empty.wait()
            yield
