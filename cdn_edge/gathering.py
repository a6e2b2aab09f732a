"""Questions that come while others are being answered, asked together as soon as those are.

Who floods us asks for what is not there, and waits for an answer before the next question. So
while many are asked together and most of them in vain, the next ones are let gather for a while:
a flood is slowed down to what costs little, and an answer among it comes that much later.

Questions that nobody waits for can be let gather from the first one on: they `linger`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeAlias, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

AskAll: TypeAlias = Callable[[Collection[Q]], Awaitable[Mapping[Q, A]]]

_AT_ONCE = 2
_MOST = 64
_MANY = 4
"""Fewer in vain are nobody's flood but a page whose pictures are not there yet."""
_PAUSE_SECONDS = 0.05


class Gathering(Generic[Q, A]):
    """Asks one by one while that is quick enough, and many at a time when it is not.

    A question alone waits for nobody, but for as many seconds as a few are to `linger`. Who is
    cancelled cancels nobody else.
    """

    def __init__(
        self,
        ask_all: AskAll[Q, A],
        *,
        at_once: int = _AT_ONCE,
        most: int = _MOST,
        linger: float = 0.0,
    ) -> None:
        self._ask_all = ask_all
        self._most = most
        self._linger = linger
        self._free = at_once
        self._waiting: list[tuple[Q, asyncio.Future[A | None]]] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, question: Q) -> A | None:
        """Its answer, None when there is none; raises what asking raises."""
        future: asyncio.Future[A | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._free:
            self._free -= 1
            task = asyncio.create_task(self._go_on())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return await future

    async def _go_on(self) -> None:
        try:
            while self._waiting:
                if self._linger and len(self._waiting) < _MANY:
                    await asyncio.sleep(self._linger)
                now, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                if still := [one for one in now if not one[1].done()]:
                    found = await self._answer(still)
                    if len(still) >= _MANY and 2 * found < len(still):
                        await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._free += 1

    async def _answer(self, asked: list[tuple[Q, asyncio.Future[A | None]]]) -> int:
        """How many had an answer; those to whom it could not be said count as if they had."""
        try:
            answers = await self._ask_all({question for question, _ in asked})
        except Exception as error:  # noqa: BLE001  # theirs, whatever it is
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return len(asked)
        for question, future in asked:
            if not future.done():
                future.set_result(answers.get(question))
        return sum(answers.get(question) is not None for question, _ in asked)
