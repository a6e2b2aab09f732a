"""JetStream: what is published is heard, at least once. The only file that knows nats."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from models.errors import Unavailable
from models.meter import Meter
from models.trail import carried
from pipeline.bus_line import AWAY, Ear, Line, Where, apart, opened
from pipeline.bus_streams import (
    PIPELINE,
    PURGE_STREAM,
    WORK_STREAM,
    consumer,
    follower,
    streams,
)
from pipeline.tasks import end

T = TypeVar("T")

# A leader election of a three-node cluster takes about five seconds; publishing survives three.
_PUBLISH_SECONDS = 20.0
_ACK_WAIT = 10.0
_CONNECT_SECONDS = 15.0
_ANSWER_SECONDS = 5.0
_LEAVE_SECONDS = 3.0
_FETCH_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
_ACKS = "$JS.ACK."  # where a message of a stream, and nothing else, wants to be answered
_PACE = 5.0
_MOST_WHISPERS = 1000


class NotThere(Unavailable):
    """There is no such stream or message right now."""


class Delivery(NamedTuple):
    """One message to work on, and how often it was delivered so far (1 = first).

    Silence longer than `patience` seconds has it delivered again.
    """

    data: bytes
    subject: str
    tries: int
    message: Msg
    patience: float
    headers: Mapping[str, str]

    async def done(self) -> None:
        """Never deliver it again; returns when the server knows. Unavailable when it does not."""
        with _available():
            await self.message.ack_sync(timeout=5)

    async def later(self, seconds: float) -> None:
        """Deliver it again, not before `seconds` have passed."""
        with _available():
            await self.message.nak(delay=seconds)

    async def dead(self) -> None:
        """Never deliver it again: it cannot succeed."""
        with _available():
            await self.message.term()

    @contextlib.asynccontextmanager
    async def held(self, longest: float) -> AsyncIterator[None]:
        """While the block runs, the server knows that somebody is at it.

        For `longest` seconds: a block that hangs does not keep its message for ever.
        """
        beat = asyncio.create_task(self._beat(longest))
        try:
            yield
        finally:
            await end(beat)

    async def _beat(self, longest: float) -> None:
        for _ in range(int(3 * longest / self.patience)):
            await asyncio.sleep(self.patience / 3)
            with contextlib.suppress(*AWAY):
                await self.message.in_progress()


class Said(NamedTuple):
    """One purge as its followers hear it, its place in the stream, and how many wait behind it."""

    seq: int
    data: bytes
    waiting: int
    at: float
    """When, in seconds since the epoch, by the server's clock."""
    headers: Mapping[str, str]


class Extent(NamedTuple):
    """Which stream of purges this is (by its birth), and what it still holds."""

    born: str
    first: int
    last: int


Ask = Callable[[], Coroutine[Any, Any, Delivery | None]]
Subscribing = Coroutine[Any, Any, JetStreamContext.PullSubscription]


class Bus:
    """A line to NATS that never gives up, and Calotype's streams on it."""

    def __init__(self, replicas: int, ack_wait: float = _ACK_WAIT) -> None:
        self._ack_wait = ack_wait
        self._replicas = replicas
        self._broken = asyncio.Event()
        self._whispers: set[asyncio.Task[None]] = set()
        self._ended = False
        self.meter = Meter()
        """Where deliveries are counted; whoever wants to know puts another one here."""

    async def open(self, where: Where, within: float) -> None:
        """Connect, or raise Unavailable."""
        self._line = Line(where, await opened(where, self.on_break, within), self.on_break)

    @property
    def line(self) -> Line:
        """The line of the moment; for the files that know nats."""
        return self._line

    @property
    def jetstream(self) -> JetStreamContext:
        """What the line of the moment leads to; for the files that know nats."""
        return self._line.client.jetstream(timeout=_ANSWER_SECONDS)

    def on_break(self) -> None:
        """The connection is gone; followers must doubt what they know."""
        self._broken.set()
        self._broken.clear()

    @property
    def connected(self) -> bool:
        """Whether the server is there right now."""
        return self._line.client.is_connected

    async def prepare(self, within: float = 0) -> None:
        """Create the streams and the pipeline's consumer, or bring them up to date.

        Tried for `within` seconds: a cluster may have no leader yet. Then Unavailable.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + within
        while True:
            try:
                await self._prepare()
            except AWAY as error:
                if clock() > deadline:
                    raise Unavailable(
                        f"The message bus cannot keep our streams: {error}."
                    ) from error
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _prepare(self) -> None:
        for config in streams(self._replicas):
            await self._ensure_stream(config)
        await self.jetstream.add_consumer(WORK_STREAM, consumer(self._ack_wait))

    async def _ensure_stream(self, config: StreamConfig) -> None:
        try:
            await self.jetstream.add_stream(config)
        except nats.js.errors.BadRequestError:
            await self.jetstream.update_stream(config)

    async def publish(self, subject: str, data: bytes, message_id: str) -> None:
        """Store a message; the same `message_id` within two minutes is stored once.

        Its headers say whose work it is, and name the trace.
        Tried again for about 20 s, long enough for a new leader. Raises Unavailable after that.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + _PUBLISH_SECONDS
        while not await self._published(subject, data, message_id):
            if clock() > deadline or self._ended:
                raise Unavailable("The message bus is not available.")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _published(self, subject: str, data: bytes, message_id: str) -> bool:
        if not self.connected:
            return False
        headers = {"Nats-Msg-Id": message_id} | carried()
        try:
            await self._unbroken(self.jetstream.publish(subject, data, headers=headers))
        except AWAY:
            return False
        return True

    async def ask(self, what: str, **said: Any) -> dict[str, Any]:  # noqa: ANN401 JSON
        """The answer of JetStream itself. NotThere for what does not exist, else Unavailable."""
        asked = json.dumps(said).encode() if said else b""
        with _available():
            request = self._line.client.request(f"$JS.API.{what}", asked, timeout=_ANSWER_SECONDS)
            reply = await self._unbroken(request)
        answer: dict[str, Any] = json.loads(reply.data)
        if error := answer.get("error"):
            raise NotThere if error["code"] == HTTPStatus.NOT_FOUND else Unavailable
        return answer

    async def work(self) -> AsyncGenerator[Delivery | None, None]:
        """Messages of the work stream, one at a time, for ever; None now and then when idle.

        Ask for the next one only when there is room for it. Breaks of the connection are waited
        out: the subscription is made anew, the messages stay where they are.
        """
        while True:
            try:
                subscription = self.jetstream.pull_subscribe_bind(PIPELINE, WORK_STREAM)
                async with self._asking(subscription) as ask:
                    while True:
                        yield self._counted(await ask())
            except AWAY:
                await asyncio.sleep(_AGAIN_SECONDS)
                with contextlib.suppress(*AWAY, Unavailable):
                    await apart(self.prepare())  # the streams may be gone with the server's disk

    def _counted(self, delivery: Delivery | None) -> Delivery | None:
        if delivery is not None:
            turn = "first" if delivery.tries == 1 else "again"
            self.meter.count("calotype_jetstream_deliveries_total", turn)
        return delivery

    @contextlib.asynccontextmanager
    async def listening(self, *subjects: str) -> AsyncIterator[asyncio.Queue[bytes]]:
        """A queue of what is said on `subjects` from now until the block ends; live only."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()

        async def hear(message: Msg) -> None:
            queue.put_nowait(message.data)

        ears = [Ear(subject, hear) for subject in subjects]
        for ear in ears:
            await self._line.add(ear)
        try:
            yield queue
        finally:
            for ear in ears:
                await self._line.remove(ear)

    def whisper(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Say something to who listens right now. Waits for nothing; lost when the bus is away."""
        if self.connected and len(self._whispers) < _MOST_WHISPERS:
            task = asyncio.create_task(self._whisper(subject, data, headers))
            self._whispers.add(task)
            task.add_done_callback(self._whispers.discard)

    async def _whisper(self, subject: str, data: bytes, headers: Mapping[str, str] | None) -> None:
        with contextlib.suppress(*AWAY):
            await self._line.client.publish(subject, data, headers=dict(headers or {}) or None)

    async def extent(self) -> Extent:
        """What the stream of purges holds right now. Raises Unavailable when it cannot be told."""
        with _available():
            info = await self._unbroken(self.jetstream.stream_info(PURGE_STREAM))
        return Extent(str(info.created), info.state.first_seq, info.state.last_seq)

    async def purges(self, after: int) -> AsyncGenerator[Said | None, None]:
        """Every purge after the one numbered `after`; None when there is none right now.

        Raises Unavailable at once when the connection breaks: whoever must not miss a purge has
        to doubt what it knows from then on.
        """
        try:
            made = await apart(self.jetstream.add_consumer(PURGE_STREAM, follower(after)))
            subscription = self.jetstream.pull_subscribe_bind(made.name, PURGE_STREAM)
            async with self._asking(subscription) as ask:
                if not made.num_pending:
                    yield None
                while True:
                    yield _said(await ask())
        except AWAY as error:
            raise Unavailable("The message bus is not available.") from error

    async def _unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """The answer to a question; nobody waits for one that was lost with its connection."""
        with self._break() as broken:
            return await apart(work, _ANSWER_SECONDS + 1, broken)

    @contextlib.contextmanager
    def _break(self) -> Iterator[asyncio.Task[Literal[True]]]:
        """Done as soon as the connection breaks."""
        broken = asyncio.create_task(self._broken.wait())
        try:
            yield broken
        finally:
            broken.cancel()

    @contextlib.asynccontextmanager
    async def _asking(self, made: Subscribing) -> AsyncIterator[Ask]:
        """A function that waits for the next message; it fails as soon as the line breaks."""
        with self._break() as broken:
            subscription = await apart(made)
            taken: list[Delivery] = []

            async def take() -> Delivery | None:
                found = await _next(subscription, self._ack_wait)
                taken[:] = [found] if found else []
                return found

            async def ask() -> Delivery | None:
                found = await apart(take(), None, broken)
                taken.clear()
                return found

            try:
                yield ask
            finally:
                with contextlib.suppress(*AWAY):
                    await apart(self._leave(subscription, taken), _LEAVE_SECONDS)

    async def _leave(
        self, subscription: JetStreamContext.PullSubscription, taken: list[Delivery]
    ) -> None:
        """Ask for no more, and give back at once what was sent before the server heard of that."""
        inbox = subscription._sub  # noqa: SLF001 the client's own way drops what arrives meanwhile
        await self._line.client._send_unsubscribe(inbox._id)  # noqa: SLF001
        await self._line.answers(1)
        for delivery in taken:
            await delivery.message.nak()
        while subscription.pending_msgs:
            message = await inbox.next_msg(0.1)
            if message.reply.startswith(_ACKS):
                await message.nak()
        await subscription.unsubscribe()

    async def aclose(self) -> None:
        """Leave politely, within two seconds."""
        self._ended = True
        if self._whispers:
            await asyncio.wait(self._whispers, timeout=1)
        await self._line.aclose()


async def _next(
    subscription: JetStreamContext.PullSubscription, ack_wait: float
) -> Delivery | None:
    """The next message, None when the server says that there is none.

    ConnectionError when it says nothing, not even that it is alive.
    """
    heard = subscription.delivered
    # One at a time: a larger fetch waits for the rest of its batch until its time is up.
    try:
        (message,) = await subscription.fetch(1, timeout=_FETCH_SECONDS, heartbeat=1)
    except (nats.errors.TimeoutError, nats.js.errors.FetchTimeoutError):
        if subscription.delivered == heard:
            raise ConnectionError from None
        return None
    tries = message.metadata.num_delivered
    headers = message.headers or {}
    return Delivery(message.data, message.subject, tries, message, ack_wait, headers)


def _said(message: Delivery | None) -> Said | None:
    if message is None:
        return None
    metadata = message.message.metadata
    at, headers = metadata.timestamp.timestamp(), message.headers
    return Said(metadata.sequence.stream, message.data, metadata.num_pending, at, headers)


@contextlib.contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise Unavailable("The message bus is not available.") from error


async def connect(
    urls: str,
    token: str = "",
    replicas: int = 1,
    *,
    ack_wait: float = _ACK_WAIT,
    within: float = _CONNECT_SECONDS,
    pace: float = _PACE,
) -> Bus:
    """A connection that reconnects for ever, and asks the server every `pace` seconds for a sign.

    Work that nobody spoke for within `ack_wait` seconds is delivered again. The first connection
    has to stand `within` seconds, else Unavailable: a wrong address or token does not heal.
    """
    return await join(Where(urls, token, pace), replicas, ack_wait=ack_wait, within=within)


async def join(
    where: Where,
    replicas: int = 1,
    *,
    ack_wait: float = _ACK_WAIT,
    within: float = _CONNECT_SECONDS,
) -> Bus:
    """The same, for whatever it takes to be let in."""
    bus = Bus(replicas, ack_wait)
    await bus.open(where, within)
    return bus
