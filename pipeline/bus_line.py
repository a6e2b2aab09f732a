"""The line to NATS: one that answers, or soon will.

The client reconnects by itself, for ever, when a connection ends. Not every one does: a frozen
server keeps it open, and the client may then wait for it to close, which never comes (nats-py
671), or lose its reading task to a PONG that comes after its time. So the line asks the server
every few seconds, and one that stays silent is replaced by a new one as soon as somebody answers.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from ssl import SSLContext
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import ParseResult

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from models.errors import Unavailable
from pipeline.bus_papers import Papers
from pipeline.tasks import end, for_ever

T = TypeVar("T")

log = structlog.get_logger(__name__)

AWAY = (nats.errors.Error, nats.js.errors.Error, asyncio.TimeoutError, OSError)

# Nobody listens here: the server itself says so, after all that was sent before.
_NOBODY = "calotype.nobody"


class Where(NamedTuple):
    """The servers, what they ask of us, and the seconds between two questions to them."""

    urls: str
    token: str = ""
    pace: float = 5.0
    papers: Papers = Papers()

    def __repr__(self) -> str:
        """Without what nobody may see."""
        return "Where(NATS)"


class Ear:
    """What is said on a subject, for as long as somebody wants to know; over every new line."""

    def __init__(self, subject: str, hear: Callable[[Msg], Awaitable[None]]) -> None:
        self.subject = subject
        self._hear = hear
        self._subscription: Subscription | None = None

    async def listen(self, client: Client) -> None:
        """Listen on this line from now on."""
        with contextlib.suppress(*AWAY):
            self._subscription = await client.subscribe(self.subject, cb=self._hear)

    async def stop(self) -> None:
        """Hear no more."""
        if self._subscription is not None:
            with contextlib.suppress(*AWAY):
                await self._subscription.unsubscribe()


class Line:
    """A connected client, replaced when its server has been silent; then `on_break` is called."""

    def __init__(self, where: Where, client: Client, on_break: Callable[[], None]) -> None:
        self.client = client
        self._where = where
        self._on_break = on_break
        self._ears: set[Ear] = set()
        self._asking = asyncio.create_task(for_ever(self._watch))

    async def add(self, ear: Ear) -> None:
        """Have it listen, and know that it does: the server answers what was asked after it."""
        self._ears.add(ear)
        await ear.listen(self.client)
        await self.answers(1)

    async def remove(self, ear: Ear) -> None:
        """Have it stop."""
        self._ears.discard(ear)
        await ear.stop()

    async def answers(self, within: float) -> bool:
        """Whether the server says something, within so many seconds."""
        if not self.client.is_connected:
            return False
        try:
            await apart(self.client.request(_NOBODY, timeout=within), within)
        except nats.errors.NoRespondersError:
            return True
        except AWAY:
            return False
        return True

    async def _watch(self) -> None:
        silent = 0
        while True:
            await asyncio.sleep(self._where.pace)
            silent = 0 if await self.answers(self._where.pace) else silent + 1
            if self.client.is_closed or silent > 1:
                silent = 0 if await self._replaced() else silent

    async def _replaced(self) -> bool:
        try:
            fresh = await opened(self._where, self._on_break, self._where.pace)
        except Unavailable:
            return False
        old, self.client = self.client, fresh
        for ear in list(self._ears):
            await ear.listen(fresh)
        self._on_break()
        log.warning("the message bus was silent, and answers on a new line")
        await closed(old)
        return True

    async def aclose(self) -> None:
        """Ask no more, and leave."""
        await end(self._asking)
        await closed(self.client)


async def opened(where: Where, on_break: Callable[[], None], within: float) -> Client:
    """A client that reconnects for ever. Raises Unavailable when it is not connected in time."""

    async def broken() -> None:
        on_break()

    client = Client()
    # There is no other way to give it these.
    client._transport = Wire(sealed=where.papers.tls is not None)  # noqa: SLF001
    client._public_nkey = where.papers.public  # noqa: SLF001
    connecting = asyncio.create_task(_connected(client, where, broken))
    try:
        await asyncio.wait((connecting,), timeout=within)
        if not connecting.done():
            raise TimeoutError
        connecting.result()
    except AWAY as error:
        raise Unavailable(
            "The message bus does not let us in: check CALOTYPE_NATS_URL, and CALOTYPE_NATS_TOKEN, "
            "_CREDENTIALS, _NKEY, _CA or _CERTIFICATE as far as they are set."
        ) from error
    finally:
        if not client.is_connected:
            await end(connecting)
            await closed(client)
    return client


async def _connected(client: Client, where: Where, broken: Callable[[], Awaitable[None]]) -> None:
    await client.connect(
        servers=[url.strip() for url in where.urls.split(",")],
        token=where.token or None,
        signature_cb=where.papers.sign,
        user_jwt_cb=where.papers.token,
        tls=where.papers.tls,
        name="calotype",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,  # type: ignore[arg-type]  # its seconds may well be fractions
        ping_interval=where.pace,  # type: ignore[arg-type]  # the same
        max_outstanding_pings=2,
        connect_timeout=where.pace,  # type: ignore[arg-type]  # the same
        disconnected_cb=broken,
        error_cb=_quiet,
    )


async def _quiet(_error: Exception) -> None:
    """Connection errors are seen where they matter: in the calls that fail."""


async def closed(client: Client) -> None:
    """Leave politely, within two seconds; after that without waiting for what is still unsent."""
    with contextlib.suppress(Exception):  # whatever state it is in, it is left
        await apart(client.close(), 2)
    if isinstance(client._transport, Wire):  # noqa: SLF001 as above
        client._transport.leave()  # noqa: SLF001


class Wire(TcpTransport):
    """TCP that lets go of a connection: the client's own waits until what it wrote is taken.

    What must be `sealed` says nothing before TLS stands: the client would tell a server without it
    all that it knows.
    """

    def __init__(self, *, sealed: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left = False
        self._sealed = sealed
        self._open = False

    def __bool__(self) -> bool:
        return True  # else the client takes one of its own

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """A new connection. One that was begun before and led nowhere is given up."""
        self.let_go()
        self._go_on()
        self._open = not self._sealed
        await super().connect(uri, buffer_size, connect_timeout)
        self._go_on()

    async def connect_tls(
        self,
        uri: str | ParseResult,
        ssl_context: SSLContext,
        buffer_size: int,
        connect_timeout: int,
    ) -> None:
        """TLS on this connection, from now on."""
        await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        self._open = True

    def write(self, payload: bytes) -> None:
        """Send, unless it would be read by others."""
        if not self._open:
            raise ConnectionError("this server speaks no TLS")
        super().write(payload)  # type: ignore[no-untyped-call]

    async def wait_closed(self) -> None:
        """Wait until it is closed, for a second."""
        try:
            async with asyncio.timeout(1):
                await super().wait_closed()  # type: ignore[no-untyped-call]
        except TimeoutError:
            self.let_go()

    def leave(self) -> None:
        """Let go for good."""
        self._left = True
        self.let_go()

    def _go_on(self) -> None:
        if self._left:  # and its client missed that it was told to stop
            self.let_go()
            raise asyncio.CancelledError

    def let_go(self) -> None:
        """Close now, whatever is unsent."""
        if self._io_writer is not None:
            self._io_writer.transport.abort()


async def apart(
    work: Coroutine[Any, Any, T],
    seconds: float | None = None,
    unless: asyncio.Task[Literal[True]] | None = None,
) -> T:
    """The result of `work`; TimeoutError after so many seconds, ConnectionError on `unless`.

    In a task of its own: the client swallows cancellations, and who waited would not get away.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(_look_away)
    waited = (task,) if unless is None else (task, unless)
    try:
        await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ConnectionError if unless is not None and unless.done() else TimeoutError
    finally:
        task.cancel()


def _look_away(task: asyncio.Task[Any]) -> None:
    """Nobody waits for this any more: let its end go without a complaint in the log."""
    if not task.cancelled():
        task.exception()
