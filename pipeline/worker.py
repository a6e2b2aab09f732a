"""The worker: takes messages, does what they ask, and decides what becomes of a failure."""

import asyncio
import contextlib
from datetime import timedelta
from typing import NamedTuple

import msgspec
import structlog

from models.accounts import get_bucket
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
    progress_subject,
)
from models.library import Shelf, drop_image, find_tombstone
from models.orders import count_attempt, fail_order, find_order, open_work
from models.records import Order
from pipeline.bus import Bus, Delivery
from pipeline.clearing import clear_bucket
from pipeline.fulfil import Task, fulfil, image_folder
from pipeline.order import Told
from pipeline.storage import MissingObject
from pipeline.stores import Stores
from pipeline.studio import Studio

log = structlog.get_logger("worker")

_read_work = msgspec.json.Decoder(Work).decode
_LONGEST_WAIT = 5.0

# The child or the customer's storage failed, not the image for certain: another try may succeed.
_WORTH_ANOTHER_TRY = (RenderCrashed, RenderTimedOut, RenderOutOfMemory, BucketFailed)

# A customer's storage is given a day to come back before what should be deleted there is left.
_DELETION_PATIENCE = timedelta(days=1)
_DELETION_WAIT = 60.0
_DELETION_TRIES = 24 * 60


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
                await self._bury(image_id)
                await delivery.done()
            case ObjectsDropped() | BucketDeleted() as cleared:
                await self._clear(delivery, cleared)

    async def _process(self, delivery: Delivery, order_id: str) -> None:
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
        await delivery.done()
        await self._stores.own.delete([order.staging_key])

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
            tries = max(await self._database.run(count_attempt, order.id), delivery.tries)
            if tries < self._patience.attempts or self._is_waited_for(order, error):
                log.warning("trying again", order=order.id, tries=tries, reason=str(error))
                await delivery.later(_backoff(tries))
                return True
        await self._database.run(fail_order, order.id, verdict.failure)
        log.warning("order failed", order=order.id, code=verdict.failure.code)
        if verdict.again:
            await self._bus.publish(f"{DEAD}.{order.id}", delivery.data, f"dead-{order.id}")
        return False

    def _is_waited_for(self, order: Order, error: Exception) -> bool:
        """A customer's storage that is away may come back; one that refuses us will not."""
        if not isinstance(error, BucketFailed) or isinstance(error, BucketRefused):
            return False
        return now() - order.created_at < timedelta(seconds=self._patience.bucket_seconds)

    async def _bury(self, image_id: str) -> None:
        tomb = await self._database.read(find_tombstone, image_id)
        if tomb is not None:
            try:
                await self._erase(tomb)
            except BucketFailed as error:
                if now() - tomb.image.updated_at < _DELETION_PATIENCE:
                    log.warning("a tombstone waits", image=image_id, reason=str(error))
                    return  # the reconciler announces it again and again
                log.warning("objects were left behind", image=image_id, reason=str(error))
            await self._database.run(drop_image, image_id)

    async def _erase(self, tomb: Shelf) -> None:
        """Delete the objects of an image, unless its bucket was deleted and they are to stay."""
        bucket = tomb.bucket
        if bucket.deleted_at is not None and not bucket.objects_go:
            return
        await self._stores.of(bucket).delete([variant.storage_key for variant in tomb.variants])
        if bucket.endpoint is None:  # and what a broken try left beside them
            await self._stores.own.delete_under(image_folder(bucket, tomb.image.id))

    async def _clear(self, delivery: Delivery, cleared: ObjectsDropped | BucketDeleted) -> None:
        """Delete objects that have no tombstone. A customer's storage that fails is given a day."""
        try:
            if isinstance(cleared, ObjectsDropped):
                await self._drop(cleared)
            else:
                await clear_bucket(cleared.bucket_id, self._database, self._stores)
        except BucketFailed as error:
            if delivery.tries < _DELETION_TRIES:
                await delivery.later(_DELETION_WAIT)
                return
            log.warning("objects were left behind", subject=delivery.subject, reason=str(error))
        await delivery.done()

    async def _drop(self, dropped: ObjectsDropped) -> None:
        bucket = await self._database.read(get_bucket, dropped.bucket_id)
        if bucket.deleted_at is None or bucket.objects_go:
            await self._stores.of(bucket).delete(dropped.storage_keys)


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
