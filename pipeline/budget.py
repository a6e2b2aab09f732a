"""Memory that all jobs share: who does not fit now waits, in the order of arrival."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """So many bytes to lend. A loan is never larger than the whole."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.lent = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for memory."""
        return sum(not waiter.done() for _, waiter in self._waiters)

    @asynccontextmanager
    async def loan(self, amount: int) -> AsyncIterator[None]:
        """Hold `amount` bytes for the block; nobody overtakes, so nobody large waits for ever."""
        amount = min(amount, self.size)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((amount, waiter))
        self._serve()
        try:
            await waiter
            yield
        finally:
            if waiter.done() and not waiter.cancelled():
                self.lent -= amount
            self._serve()

    def _serve(self) -> None:
        while self._waiters:
            amount, waiter = self._waiters[0]
            if not waiter.done():
                if self.lent + amount > self.size:
                    return
                self.lent += amount
                waiter.set_result(None)
            self._waiters.popleft()
