"""The worker: takes messages, does what they ask, and decides what becomes of a failure."""

import asyncio
import contextlib
from typing import NamedTuple

import msgspec
import structlog

from models.accounts import get_bucket
from models.database import Database
from models.errors import (
    RenderCrashed,
    RenderOutOfMemory,
    RenderTimedOut,
    ServiceError,
    Unavailable,
)
from models.events import DEAD, Failure, ImageDeleted, ObjectsDropped, OrderAccepted, Work
from models.library import drop_image, find_tombstone
from models.orders import count_attempt, fail_order, find_order, open_work
from pipeline.bus import Bus, Delivery
from pipeline.fulfil import Task, fulfil, image_folder
from pipeline.storage import MissingObject
from pipeline.stores import Stores
from pipeline.studio import Studio

log = structlog.get_logger("worker")

_read_work = msgspec.json.Decoder(Work).decode
_LONGEST_WAIT = 5.0

# The child failed, not the image for certain: another try in a fresh child may succeed.
_WORTH_ANOTHER_TRY = (RenderCrashed, RenderTimedOut, RenderOutOfMemory)


class Worker:
    """Processes orders and deletions, a bounded number at the same time."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        stores: Stores,
        studio: Studio,
        *,
        attempts: int,
        slots: int,
    ) -> None:
        self._database = database
        self._bus = bus
        self._stores = stores
        self._studio = studio
        self._attempts = attempts
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
            case ObjectsDropped() as dropped:
                await self._drop(dropped)
                await delivery.done()

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
            if await self._judge(delivery, order_id, error):
                return
        await delivery.done()
        await self._stores.own.delete([order.staging_key])

    async def _fulfil(self, order_id: str) -> None:
        opened = await self._database.read(open_work, order_id)
        if opened is not None:
            await fulfil(Task(*opened), self._database, self._stores, self._studio)

    async def _judge(self, delivery: Delivery, order_id: str, error: Exception) -> bool:
        """True when the order is tried again; else it has failed and is refunded."""
        verdict = _verdict(error)
        if verdict.again:
            tries = max(await self._database.run(count_attempt, order_id), delivery.tries)
            if tries < self._attempts:
                log.warning("trying again", order=order_id, tries=tries, reason=str(error))
                await delivery.later(_backoff(tries))
                return True
        await self._database.run(fail_order, order_id, verdict.failure)
        log.warning("order failed", order=order_id, code=verdict.failure.code)
        if verdict.again:
            await self._bus.publish(f"{DEAD}.{order_id}", delivery.data, f"dead-{order_id}")
        return False

    async def _bury(self, image_id: str) -> None:
        tomb = await self._database.read(find_tombstone, image_id)
        if tomb is not None:
            store = self._stores.of(tomb.bucket)
            await store.delete_under(image_folder(tomb.bucket, image_id))
            await self._database.run(drop_image, image_id)

    async def _drop(self, dropped: ObjectsDropped) -> None:
        bucket = await self._database.read(get_bucket, dropped.bucket_id)
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
    return float(min(0.2 * 2**tries, _LONGEST_WAIT))


async def _put_back(delivery: Delivery, seconds: float) -> None:
    """Tell the bus if it can hear: a message nobody spoke for is delivered again anyway."""
    with contextlib.suppress(Exception):
        await delivery.later(seconds)
