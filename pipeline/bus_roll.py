"""A question to everybody who listens, and the answers of those who are there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from nats.aio.msg import Msg

from models.errors import Unavailable
from pipeline.bus import Bus
from pipeline.bus_line import AWAY, Ear, apart

_QUIET_SECONDS = 1.0
_LONGEST_SECONDS = 3.0


@contextlib.asynccontextmanager
async def answering(
    bus: Bus, subject: str, answer: Callable[[], Awaitable[bytes]]
) -> AsyncIterator[None]:
    """Answer whoever asks on `subject` while the block runs, over every new line."""

    async def hear(message: Msg) -> None:
        with contextlib.suppress(*AWAY):
            await message.respond(await answer())

    ear = Ear(subject, hear)
    await bus.line.add(ear)
    try:
        yield
    finally:
        await bus.line.remove(ear)


async def asked(bus: Bus, subject: str) -> list[bytes]:
    """What everybody answers who is there: until it is quiet, three seconds at most.

    Raises Unavailable when the server itself is silent.
    """
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        if message.data:  # without: the server says that nobody listens
            answers.put_nowait(message.data)

    client = bus.line.client
    inbox = client.new_inbox()
    try:
        await client.subscribe(inbox, cb=hear)
        await client.publish(subject, reply=inbox)
        if not await bus.line.answers(_LONGEST_SECONDS):
            raise TimeoutError
        return await _until_quiet(answers)
    except AWAY as error:
        raise Unavailable("The message bus does not answer.") from error


async def _until_quiet(answers: asyncio.Queue[bytes]) -> list[bytes]:
    found: list[bytes] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LONGEST_SECONDS):
            found.append(await answers.get())
            while True:
                found.append(await apart(answers.get(), _QUIET_SECONDS))
    return found


def server_version(bus: Bus) -> str:
    """The release of the server we are connected to."""
    found = bus.line.client.connected_server_version
    return f"{found.major}.{found.minor}.{found.patch}"
