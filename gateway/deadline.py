"""An answer in time, or the reason why there is none: for who asks many and must not hang."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from models.errors import ServiceError
from models.settings import SettingsError

T = TypeVar("T")


class Away(str):
    """Why there is no answer, in a sentence."""

    __slots__ = ()


async def answer_of(work: Coroutine[Any, Any, T], seconds: float) -> T | Away:
    """What the work gives, or why it does not. Who does not end in time is left behind."""
    task = asyncio.create_task(work)
    task.add_done_callback(_look_away)
    done, _ = await asyncio.wait((task,), timeout=seconds)
    if not done:
        task.cancel()
        return Away(f"does not answer within {seconds:g} seconds")
    try:
        return task.result()
    except (SettingsError, ServiceError) as error:
        return Away(error)
    except Exception as error:  # noqa: BLE001 whatever it is, it is what was found
        return Away(f"{type(error).__name__}: {error}")


def _look_away(task: "asyncio.Task[Any]") -> None:
    """Perhaps nobody waits any more: let it go without a complaint in the log."""
    if not task.cancelled():
        task.exception()


def at_once(work: Awaitable[T]) -> T:
    """The result, as soon as there is one: what still waits for a silent server is left."""
    return asyncio.new_event_loop().run_until_complete(work)
