"""One render per result in the whole fleet; within this process alone while the bus is away."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

import msgspec

from models.errors import ServiceError, TooManyRequests, Unavailable, revived
from models.wire import Wire
from pipeline.bus import Bus
from pipeline.bus_leases import Lease, Leases

T = TypeVar("T")

SUBJECT = "calotype.rendered"
_LOOK_AGAIN = 1.0
"""Seconds after which a follower sees for itself: what is said may be missed, who leads may die."""
_MOST_KEPT_LATER = 64
_SHARED = (Unavailable, TooManyRequests)
"""Failures of this process or of its moment: another process may well succeed."""


class Rendered(Wire, frozen=True):
    """A result is in object storage, or it failed with this cause."""

    name: str
    code: str = ""
    sentence: str = ""


class Work(NamedTuple, Generic[T]):
    """How a result is found when somebody else made it, how it is made, and how it is kept."""

    look: Callable[[], Awaitable[T | None]]
    make: Callable[[], Awaitable[T]]
    keep: Callable[[T], Awaitable[None]]
    confirm: Callable[[], Awaitable[None]]
    """Called when it was kept and everybody knows: what must not have been is taken back."""


_read = msgspec.json.Decoder(Rendered).decode


class Fleet:
    """Who makes a result, and how all others come to have it."""

    def __init__(self, bus: Bus, leases: Leases) -> None:
        self._bus = bus
        self._leases = leases
        self._waiting: dict[str, set[asyncio.Future[Rendered]]] = defaultdict(set)
        self._keeping: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Hear what others made, until cancelled."""
        async with self._bus.listening(SUBJECT) as queue:
            while True:
                with contextlib.suppress(msgspec.MsgspecError):
                    self._hear(_read(await queue.get()))

    async def once(self, name: str, work: Work[T]) -> T:
        """The result, made here or by another process, but by one of them only.

        A leader that dies is replaced when its lease ends. A failure of the picture's is raised to
        everybody who waits for it now.
        """
        while True:
            with self._hearing(name) as heard:
                try:
                    lease = await self._leases.take(name)
                except Unavailable:
                    return await self._make(name, contextlib.AsyncExitStack(), work)
                if lease is not None:
                    return await self._lead(name, lease, work)
                await asyncio.wait((heard,), timeout=_LOOK_AGAIN)
                if heard.done() and heard.result().code:
                    raise revived(heard.result().code, heard.result().sentence)
            found = await work.look()
            if found is not None:
                return found

    async def settle(self, seconds: float = 30.0) -> None:
        """Wait until everything made so far is kept, so long at most."""
        if self._keeping:
            await asyncio.wait(set(self._keeping), timeout=seconds)

    async def _lead(self, name: str, lease: Lease, work: Work[T]) -> T:
        """Who finished just before the lease was ours has had it: then look once more."""
        stack = contextlib.AsyncExitStack()
        await stack.enter_async_context(lease.held())
        async with _closed_on_error(stack):
            found = None if lease.fresh else await work.look()
            if found is not None:
                await stack.aclose()
                return found
            return await self._make(name, stack, work)

    async def _make(self, name: str, lease: contextlib.AsyncExitStack, work: Work[T]) -> T:
        try:
            made = await work.make()
        except ServiceError as error:
            if not isinstance(error, _SHARED):
                self._say(Rendered(name=name, code=error.code(), sentence=error.sentence))
            raise
        keeping = asyncio.create_task(self._keep(name, lease, work, made))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        if len(self._keeping) > _MOST_KEPT_LATER:
            await asyncio.wait((keeping,))
        return made

    async def _keep(
        self, name: str, lease: contextlib.AsyncExitStack, work: Work[T], made: T
    ) -> None:
        """The answer need not wait for this; those who follow must."""
        async with lease:
            await work.keep(made)
        self._say(Rendered(name=name))
        await work.confirm()

    def _say(self, rendered: Rendered) -> None:
        self._bus.whisper(SUBJECT, msgspec.json.encode(rendered))

    def _hear(self, rendered: Rendered) -> None:
        for future in self._waiting.get(rendered.name, ()):
            if not future.done():
                future.set_result(rendered)

    @contextlib.contextmanager
    def _hearing(self, name: str) -> Iterator[asyncio.Future[Rendered]]:
        future: asyncio.Future[Rendered] = asyncio.get_running_loop().create_future()
        self._waiting[name].add(future)
        try:
            yield future
        finally:
            self._waiting[name].discard(future)
            if not self._waiting[name]:
                del self._waiting[name]


@contextlib.asynccontextmanager
async def _closed_on_error(stack: contextlib.AsyncExitStack) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        await stack.aclose()
        raise
