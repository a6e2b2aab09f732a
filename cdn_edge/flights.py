"""One piece of work per key at a time, however many ask for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from models.errors import Overloaded

T = TypeVar("T")


class Flight(Generic[T]):
    """Work under way. `stale` once its key was purged: its result may be answered, not kept."""

    __slots__ = ("stale", "task")

    def __init__(self) -> None:
        self.stale = False
        self.task: asyncio.Task[T]


class Flights(Generic[T]):
    """Single flight within this process, at most `most` keys at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._flying: dict[str, Flight[T]] = {}
        self._aloft = 0

    async def join(self, key: str, work: Callable[[Flight[T]], Awaitable[T]]) -> tuple[T, bool]:
        """The work's result, and whether somebody else had already begun it.

        A caller that is cancelled cancels nobody: the work goes on for the others. A failure is
        raised to those who waited for it and to nobody after.
        """
        flight = self._flying.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._start(key, work)
        return await asyncio.shield(flight.task), joined

    def flying(self, key: str) -> bool:
        """Whether who asks for this key joins somebody. For any thread."""
        return key in self._flying

    def forget(self, key: str) -> None:
        """Whoever asks for this key from now on starts anew; the work under way is stale."""
        if flight := self._flying.pop(key, None):
            flight.stale = True

    def forget_prefix(self, prefix: str) -> None:
        """The same for every key that starts so."""
        for key in [key for key in self._flying if key.startswith(prefix)]:
            self.forget(key)

    def _start(self, key: str, work: Callable[[Flight[T]], Awaitable[T]]) -> Flight[T]:
        if self._aloft >= self._most:
            raise Overloaded(retry_after=1)
        flight: Flight[T] = Flight()
        self._flying[key] = flight
        self._aloft += 1
        flight.task = asyncio.get_running_loop().create_task(self._fly(key, flight, work))
        flight.task.add_done_callback(_look_at_failure)
        return flight

    async def _fly(
        self, key: str, flight: Flight[T], work: Callable[[Flight[T]], Awaitable[T]]
    ) -> T:
        try:
            return await work(flight)
        finally:
            self._aloft -= 1
            if self._flying.get(key) is flight:
                del self._flying[key]
            # The failure knows these frames, which know the flight: a circle that only the
            # garbage collector could open, 50 objects of each missing key, in pauses of 30 ms.
            del flight.task


def _look_at_failure(task: "asyncio.Task[T]") -> None:
    """When every caller has left, a failure is nobody's: say so, or asyncio complains."""
    if not task.cancelled():
        task.exception()
