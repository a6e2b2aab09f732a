"""JetStream: what is published is heard, at least once. The only file that knows nats."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from models.errors import Unavailable
from models.events import DEAD, DELETIONS, EVENTS, ORDERS, PURGES

T = TypeVar("T")

WORK_STREAM = "CALOTYPE_WORK"
EVENT_STREAM = "CALOTYPE_EVENTS"
PURGE_STREAM = "CALOTYPE_PURGES"
DEAD_STREAM = "CALOTYPE_DEAD"
PIPELINE = "pipeline"

# A leader election of a three-node cluster takes about five seconds; publishing survives three.
_PUBLISH_TRIES = 15
_ACK_WAIT = 30.0
_CONNECT_SECONDS = 15.0
_FETCH_SECONDS = 5.0
_MOST_WHISPERS = 1000
_HOUR = 3600.0
_MONTH = 30 * 24 * _HOUR

_AWAY = (
    nats.errors.Error,
    nats.js.errors.Error,
    asyncio.TimeoutError,
    OSError,
)


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
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _beat(self, longest: float) -> None:
        for _ in range(int(3 * longest / self.patience)):
            await asyncio.sleep(self.patience / 3)
            with contextlib.suppress(*_AWAY):
                await self.message.in_progress()


class Said(NamedTuple):
    """One purge as its followers hear it, its place in the stream, and how many wait behind it."""

    seq: int
    data: bytes
    waiting: int


class Extent(NamedTuple):
    """Which stream of purges this is (by its birth), and what it still holds."""

    born: str
    first: int
    last: int


class Bus:
    """A connection to NATS that never gives up, and Calotype's streams on it."""

    def __init__(self, client: Client, replicas: int, ack_wait: float = _ACK_WAIT) -> None:
        self._client = client
        self._ack_wait = ack_wait
        self._stream: JetStreamContext = client.jetstream(timeout=5)
        self._replicas = replicas
        self._broken = asyncio.Event()
        self._whispers: set[asyncio.Task[None]] = set()

    def on_break(self) -> None:
        """The connection is gone; followers must doubt what they know."""
        self._broken.set()
        self._broken.clear()

    @property
    def connected(self) -> bool:
        """Whether the server is there right now."""
        return self._client.is_connected

    @property
    def jetstream(self) -> JetStreamContext:
        """For the other files that know nats."""
        return self._stream

    async def prepare(self) -> None:
        """Create the streams and the pipeline's consumer, or bring them up to date."""
        for config in _streams(self._replicas):
            await self._ensure_stream(config)
        await self._stream.add_consumer(WORK_STREAM, _consumer(self._ack_wait))

    async def _ensure_stream(self, config: StreamConfig) -> None:
        try:
            await self._stream.add_stream(config)
        except nats.js.errors.BadRequestError:
            await self._stream.update_stream(config)

    async def publish(self, subject: str, data: bytes, message_id: str) -> None:
        """Store a message; the same `message_id` within two minutes is stored once.

        Tried again for about 15 s, long enough for a new leader. Raises Unavailable after that.
        """
        for attempt in range(_PUBLISH_TRIES):
            try:
                await self._stream.publish(
                    subject, data, timeout=5, headers={"Nats-Msg-Id": message_id}
                )
            except _AWAY as error:
                if attempt == _PUBLISH_TRIES - 1 or self._client.is_closed:
                    raise Unavailable("The message bus is not available.") from error
                await asyncio.sleep(1)
            else:
                return

    async def ask(self, what: str, **said: Any) -> dict[str, Any]:  # noqa: ANN401 JSON
        """The answer of JetStream itself. NotThere for what does not exist, else Unavailable."""
        with _available():
            reply = await self._client.request(
                f"$JS.API.{what}", json.dumps(said).encode() if said else b"", timeout=5
            )
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
                subscription = await self._stream.pull_subscribe_bind(PIPELINE, WORK_STREAM)
                try:
                    while True:
                        yield await _next(subscription, self._ack_wait)
                finally:
                    with contextlib.suppress(*_AWAY):
                        await subscription.unsubscribe()
            except _AWAY:
                await asyncio.sleep(0.5)
                with contextlib.suppress(*_AWAY):
                    await self.prepare()  # the streams may be gone together with the server's disk

    @contextlib.asynccontextmanager
    async def listening(self, *subjects: str) -> AsyncIterator[asyncio.Queue[bytes]]:
        """A queue of what is said on `subjects` from now until the block ends; live only."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()

        async def hear(message: Msg) -> None:
            queue.put_nowait(message.data)

        subscriptions = [await self._client.subscribe(subject, cb=hear) for subject in subjects]
        if self._client.is_connected:
            with contextlib.suppress(*_AWAY):  # until the server answers it may not know of us
                await self._client.flush(timeout=1)  # its PING overtakes the subscription,
                await self._client.flush(timeout=1)  # and only the second one comes after it
        try:
            yield queue
        finally:
            for subscription in subscriptions:
                with contextlib.suppress(*_AWAY):
                    await subscription.unsubscribe()

    def whisper(self, subject: str, data: bytes) -> None:
        """Say something to who listens right now. Waits for nothing; lost when the bus is away."""
        if self.connected and len(self._whispers) < _MOST_WHISPERS:
            task = asyncio.create_task(self._whisper(subject, data))
            self._whispers.add(task)
            task.add_done_callback(self._whispers.discard)

    async def _whisper(self, subject: str, data: bytes) -> None:
        with contextlib.suppress(*_AWAY):
            await self._client.publish(subject, data)

    async def extent(self) -> Extent:
        """What the stream of purges holds right now. Raises Unavailable when it cannot be told."""
        with _available():
            info = await self._stream.stream_info(PURGE_STREAM)
        return Extent(str(info.created), info.state.first_seq, info.state.last_seq)

    async def purges(self, after: int) -> AsyncGenerator[Said | None, None]:
        """Every purge after the one numbered `after`; None when there is none right now.

        Raises Unavailable at once when the connection breaks: whoever must not miss a purge has
        to doubt what it knows from then on.
        """
        broken = asyncio.create_task(self._broken.wait())
        try:
            consumer = await self._stream.add_consumer(PURGE_STREAM, _follower(after))
            subscription = await self._stream.pull_subscribe_bind(consumer.name, PURGE_STREAM)
            if not consumer.num_pending:
                yield None
            while True:
                yield _said(await _unless(broken, _next(subscription)))
        except _AWAY as error:
            raise Unavailable("The message bus is not available.") from error
        finally:
            broken.cancel()

    async def aclose(self) -> None:
        """Leave politely, within two seconds.

        In a task of its own: when the server just died, the client's close can end cancelled, or
        not at all.
        """
        closing = asyncio.create_task(self._client.close())
        closing.add_done_callback(_look_away)
        await asyncio.wait((closing,), timeout=2)
        closing.cancel()


async def _next(
    subscription: JetStreamContext.PullSubscription, ack_wait: float = _ACK_WAIT
) -> Delivery | None:
    # One at a time: a larger fetch waits for the rest of its batch until its time is up.
    try:
        (message,) = await subscription.fetch(1, timeout=_FETCH_SECONDS, heartbeat=1)
    except (nats.errors.TimeoutError, nats.js.errors.FetchTimeoutError):
        return None
    tries = message.metadata.num_delivered
    return Delivery(message.data, message.subject, tries, message, ack_wait)


def _said(message: Delivery | None) -> Said | None:
    if message is None:
        return None
    metadata = message.message.metadata
    return Said(metadata.sequence.stream, message.data, metadata.num_pending)


async def _unless(broken: asyncio.Task[Literal[True]], waited: Coroutine[Any, Any, T]) -> T:
    """The result of `waited`, or ConnectionError as soon as the connection breaks."""
    task = asyncio.create_task(waited)
    task.add_done_callback(_look_away)
    try:
        await asyncio.wait((task, broken), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionError
        return task.result()
    finally:
        task.cancel()


@contextlib.contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise Unavailable("The message bus is not available.") from error


def _look_away(task: asyncio.Task[Any]) -> None:
    """Nobody waits for this any more: let its end go without a complaint in the log."""
    if not task.cancelled():
        task.exception()


def _streams(replicas: int) -> tuple[StreamConfig, ...]:
    return (
        StreamConfig(
            name=WORK_STREAM,
            subjects=[f"{ORDERS}.>", f"{DELETIONS}.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=EVENT_STREAM,
            subjects=[f"{EVENTS}.>"],
            max_age=_HOUR,  # outcomes: who waits for one looks in the database when it is silent
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=PURGE_STREAM,
            subjects=[f"{PURGES}.>"],
            max_age=_MONTH,  # an edge that was away for longer starts with an empty cache
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=DEAD_STREAM,
            subjects=[f"{DEAD}.>"],
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
    )


def _follower(after: int) -> ConsumerConfig:
    return ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        inactive_threshold=60,
        mem_storage=True,
        num_replicas=1,
    )


def _consumer(ack_wait: float) -> ConsumerConfig:
    # Attempts are counted by the worker: a server that stops delivering would strand an order.
    return ConsumerConfig(
        durable_name=PIPELINE,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=ack_wait,
        max_deliver=-1,
        max_ack_pending=1000,
    )


async def connect(
    urls: str,
    token: str = "",
    replicas: int = 1,
    *,
    ack_wait: float = _ACK_WAIT,
    within: float = _CONNECT_SECONDS,
) -> Bus:
    """A connection that reconnects for ever and notices a silent server within ten seconds.

    Work that nobody spoke for within `ack_wait` seconds is delivered again. The first connection
    has to stand `within` seconds, else Unavailable: a wrong address or token does not heal.
    """
    client = Client()
    bus = Bus(client, replicas, ack_wait)

    async def broken() -> None:
        bus.on_break()

    try:
        async with asyncio.timeout(within):
            await client.connect(
                servers=[url.strip() for url in urls.split(",")],
                token=token or None,
                name="calotype",
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,  # type: ignore[arg-type]  # its seconds may well be fractions
                ping_interval=5,
                max_outstanding_pings=2,
                connect_timeout=5,
                disconnected_cb=broken,
                error_cb=_quiet,
            )
    except _AWAY as error:
        await bus.aclose()
        raise Unavailable(
            "The message bus does not let us in: check CALOTYPE_NATS_URL and CALOTYPE_NATS_TOKEN."
        ) from error
    return bus


async def _quiet(_error: Exception) -> None:
    """Connection errors are seen where they matter: in the calls that fail."""
