"""The worker: takes messages, does what they ask, and decides what becomes of a failure."""

import asyncio
import contextlib
from datetime import timedelta
from typing import NamedTuple

import msgspec
import structlog

from models.columns import now
from models.database import Database
from models.errors import (
    BucketFailed,
    BucketRefused,
    RenderCrashed,
    RenderOutOfMemory,
    RenderTimedOut,
    ServiceError,
    Unavailable,
)
from models.events import (
    DEAD,
    BucketDeleted,
    Failure,
    ImageDeleted,
    ObjectsDropped,
    OrderAccepted,
    Rendering,
    Work,
    deletion_subject,
    progress_subject,
)
from models.failpoint import failpoint
from models.orders import count_attempt, fail_order, find_order, open_work
from models.outgoing import announce
from models.records import Order
from pipeline.bus import Bus, Delivery
from pipeline.clearing import PATIENCE, bury, clear_bucket, drop
from pipeline.fulfil import Task, fulfil
from pipeline.order import Told
from pipeline.storage import MissingObject
from pipeline.stores import Stores
from pipeline.studio import Studio

log = structlog.get_logger("worker")

_read_work = msgspec.json.Decoder(Work).decode
_LONGEST_WAIT = 5.0

# The child or the customer's storage failed, not the image for certain: another try may succeed.
_WORTH_ANOTHER_TRY = (RenderCrashed, RenderTimedOut, RenderOutOfMemory, BucketFailed)
_DROP_WAIT = timedelta(minutes=1)


class Patience(NamedTuple):
    """How often an order is tried, and how long while a customer's storage is away."""

    attempts: int
    bucket_seconds: float


class Worker:
    """Processes orders and deletions, a bounded number at the same time."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        stores: Stores,
        studio: Studio,
        *,
        patience: Patience,
        slots: int,
    ) -> None:
        self._database = database
        self._bus = bus
        self._stores = stores
        self._studio = studio
        self._patience = patience
        self._slots = asyncio.Semaphore(slots)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take messages until cancelled; what is in hand then goes on, see `drain`."""
        deliveries = self._bus.work()
        async with contextlib.aclosing(deliveries):
            while True:
                async with self._slots:
                    delivery = await anext(deliveries)
                if delivery is not None:
                    await self._begin(delivery)

    async def _begin(self, delivery: Delivery) -> None:
        await self._slots.acquire()
        task = asyncio.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def drain(self, seconds: float) -> None:
        """Finish what is in hand within `seconds`; the rest is delivered to somebody else."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _handle(self, delivery: Delivery) -> None:
        try:
            async with delivery.held():
                await self._do(delivery)
        except Unavailable as error:
            await _put_back(delivery, _backoff(delivery.tries))
            log.warning("put back", subject=delivery.subject, reason=str(error))
        except asyncio.CancelledError:
            await _put_back(delivery, 0)
            raise
        except Exception:
            await _put_back(delivery, _backoff(delivery.tries))
            log.exception("unexpected failure, put back", subject=delivery.subject)

    async def _do(self, delivery: Delivery) -> None:
        try:
            work = _read_work(delivery.data)
        except msgspec.MsgspecError:
            log.warning("unreadable message dropped", subject=delivery.subject)
            await delivery.dead()
            return
        match work:
            case OrderAccepted(order_id=order_id):
                await self._process(delivery, order_id)
            case ImageDeleted(image_id=image_id):
                await bury(image_id, self._database, self._stores)
                await delivery.done()
            case BucketDeleted(bucket_id=bucket_id):
                await clear_bucket(bucket_id, self._database, self._stores)
                await delivery.done()
            case ObjectsDropped() as dropped:
                await self._drop(delivery, dropped)

    async def _process(self, delivery: Delivery, order_id: str) -> None:
        failpoint("W1.fetched")
        order = await self._database.read(find_order, order_id)
        if order is None or order.state != "pending":
            await delivery.done()
            return
        try:
            await self._fulfil(order_id)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 whatever it is, the order must come to an end
            if await self._judge(delivery, order, error):
                return
        failpoint("W3.committed")
        await delivery.done()
        failpoint("W4.acked")
        await self._stores.own.delete([order.staging_key])
        failpoint("W4.swept")

    async def _fulfil(self, order_id: str) -> None:
        opened = await self._database.read(open_work, order_id)
        if opened is not None:
            task, told = Task(*opened), self._teller(order_id)
            await fulfil(task, self._database, self._stores, self._studio, told)

    def _teller(self, order_id: str) -> Told:
        """Says how an order comes along, to whoever listens."""

        def tell(done: int, of: int) -> None:
            said = Rendering(done=done, of=of)
            self._bus.whisper(progress_subject(order_id), msgspec.json.encode(said))

        return tell

    async def _judge(self, delivery: Delivery, order: Order, error: Exception) -> bool:
        """True when the order is tried again; else it has failed and is refunded."""
        verdict = _verdict(error)
        if verdict.again:
            # Our own count: deliveries during an outage of ours were no attempts of the order.
            tries = await self._database.run(count_attempt, order.id)
            failpoint("F1.counted")
            if tries < self._patience.attempts or self._is_waited_for(order, error):
                log.warning("trying again", order=order.id, tries=tries, reason=str(error))
                await delivery.later(_backoff(tries))
                return True
        if await self._database.run(fail_order, order.id, verdict.failure):
            failpoint("F3.committed")
            await self._forget(order, error)
        log.warning("order failed", order=order.id, code=verdict.failure.code)
        if verdict.again:
            await self._bus.publish(f"{DEAD}.{order.id}", delivery.data, f"dead-{order.id}")
            failpoint("F4.dead")
        return False

    async def _forget(self, order: Order, error: Exception) -> None:
        """Have what a failed order left in a customer's storage deleted, if it was for new images.

        What an update left has the keys of what was there before.
        """
        left = error.left if isinstance(error, BucketFailed) else ()
        if left and order.image_id is None:
            event = ObjectsDropped(bucket_id=order.bucket_id, storage_keys=list(left))
            await self._database.run(announce, deletion_subject(order.id), event)

    def _is_waited_for(self, order: Order, error: Exception) -> bool:
        """A customer's storage that is away may come back; one that refuses us will not."""
        if not isinstance(error, BucketFailed) or isinstance(error, BucketRefused):
            return False
        return now() - order.created_at < timedelta(seconds=self._patience.bucket_seconds)

    async def _drop(self, delivery: Delivery, dropped: ObjectsDropped) -> None:
        """A customer's storage that fails is given a day, then what is there stays there."""
        try:
            await drop(dropped, self._database, self._stores)
        except BucketFailed as error:
            if delivery.tries < PATIENCE / _DROP_WAIT:
                await delivery.later(_DROP_WAIT.total_seconds())
                return
            log.warning("objects were left behind", bucket=dropped.bucket_id, reason=str(error))
        await delivery.done()


class Verdict(NamedTuple):
    """What a failure means: tried again or not, and what is said if it is the end."""

    again: bool
    failure: Failure


def _verdict(error: Exception) -> Verdict:
    if isinstance(error, ServiceError):
        failure = Failure(status=error.status, code=error.code(), message=error.sentence)
        return Verdict(isinstance(error, _WORTH_ANOTHER_TRY), failure)
    if isinstance(error, MissingObject):
        log.error("the original is gone from staging", key=str(error))
    else:
        log.error("unexpected failure", exc_info=error)
    failure = Failure(status=500, code=ServiceError.code(), message=ServiceError.message)
    return Verdict(not isinstance(error, MissingObject), failure)


def _backoff(tries: int) -> float:
    return float(min(0.2 * 2 ** min(tries, 10), _LONGEST_WAIT))


async def _put_back(delivery: Delivery, seconds: float) -> None:
    """Tell the bus if it can hear: a message nobody spoke for is delivered again anyway."""
    with contextlib.suppress(Exception):
        await delivery.later(seconds)
