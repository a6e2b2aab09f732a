"""The worker: takes messages, does what they ask, and decides what becomes of a failure."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import structlog

from models.attempts import Start, count_begun, fail_attempt, forgive, start_work
from models.database import Database
from models.errors import BucketFailed, RenderTimedOut, Unavailable
from models.events import (
    DEAD_MESSAGES,
    BucketDeleted,
    Generating,
    ImageDeleted,
    ObjectsDropped,
    OrderAccepted,
    Rendering,
    Work,
    progress_subject,
)
from models.failpoint import failpoint
from models.orders import fail_order, find_order
from models.records import Order
from models.traces import span
from models.trail import following, on_behalf
from pipeline.bus import Bus, Delivery
from pipeline.clearing import PATIENCE, bury, clear_bucket, drop
from pipeline.company import Company
from pipeline.fulfil import fulfil
from pipeline.generate import Makers, blamed_on_the_model, left_in_staging
from pipeline.masters import Task
from pipeline.order import Told
from pipeline.stores import Stores
from pipeline.verdict import Patience, Verdict, is_suspect, judge, refuse_deadly

log = structlog.get_logger(__name__)

_read_work = msgspec.json.Decoder(Work).decode
_LONGEST_WAIT = 5.0
_LONGEST_WAIT_OF_THE_UNEXPECTED = 60.0
_DROP_WAIT = timedelta(minutes=1)


class Worker:
    """Processes orders and deletions, a bounded number at the same time."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        stores: Stores,
        makers: Makers,
        *,
        patience: Patience,
        slots: int,
    ) -> None:
        self._database = database
        self._bus = bus
        self._stores = stores
        self._makers = makers
        self._patience = patience
        self._slots = asyncio.Semaphore(slots)
        self._company = Company()
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
        with following(delivery.headers), span("work"):
            await self._attempt(delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            async with delivery.held(self._patience.job_seconds):
                await self._do(delivery)
        except (Unavailable, TimeoutError) as error:
            await _put_back(delivery, _backoff(delivery.tries))
            log.warning("put back", subject=delivery.subject, reason=repr(error))
        except asyncio.CancelledError:
            await _put_back(delivery, 0)
            raise
        except Exception:
            await _put_back(delivery, _backoff(delivery.tries, _LONGEST_WAIT_OF_THE_UNEXPECTED))
            log.exception("unexpected failure, put back", subject=delivery.subject)

    async def _do(self, delivery: Delivery) -> None:
        try:
            work = _read_work(delivery.data)
        except msgspec.MsgspecError:
            await self._set_aside(delivery)
            return
        if isinstance(work, OrderAccepted):
            with on_behalf(work.request_id, work.order_id):  # the reconciler's has no headers
                await self._process(delivery, work.order_id)
            return
        async with asyncio.timeout(self._patience.job_seconds):  # what is left goes on from there
            await self._clear(delivery, work)

    async def _set_aside(self, delivery: Delivery) -> None:
        """A message that nobody understands becomes a dead letter as it is."""
        digest = hashlib.sha256(delivery.data).hexdigest()
        await self._bus.publish(f"{DEAD_MESSAGES}.{digest}", delivery.data, f"dead-{digest}")
        await delivery.dead()
        log.error("an unreadable message is a dead letter now", subject=delivery.subject)

    async def _clear(
        self, delivery: Delivery, work: ImageDeleted | BucketDeleted | ObjectsDropped
    ) -> None:
        match work:
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
        start = await self._database.read(start_work, order_id)
        if start is None or start.order.state != "pending":
            await self._settle(delivery, start)
            return
        try:
            await self._fulfil(delivery, start)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 whatever it is, the order must come to an end
            await self._fail(delivery, start.order, error)
            return
        failpoint("W3.committed")
        log.info("order done", tries=delivery.tries)
        await delivery.done()
        failpoint("W4.acked")
        await self._clear_staging(start.order)
        failpoint("W4.swept")

    async def _settle(self, delivery: Delivery, start: Start | None) -> None:
        """Nothing is left to do, but for what somebody could not do any more at its end.

        Only a done order's original is its own: that of a failed one may be tried again.
        """
        await delivery.done()
        if start is not None and start.order.state == "done":
            await self._clear_staging(start.order)

    async def _fulfil(self, delivery: Delivery, start: Start) -> None:
        refuse_deadly(start.order, self._patience)
        if start.work is None:
            raise start.obstacle or RuntimeError("a pending order without work")
        task = await self._with_original(Task(*start.work))
        async with self._at_work(delivery, start.order):
            await self._make(task)

    @contextlib.asynccontextmanager
    async def _at_work(self, delivery: Delivery, order: Order) -> AsyncIterator[None]:
        """Among others, or alone; and counted until it is heard of.

        Only a message that was delivered before may follow a death, and pays for that.
        """
        company = self._company.alone() if is_suspect(order) else self._company.together()
        async with company:
            if delivery.tries > 1:
                await self._database.run(count_begun, order.id)
            try:
                yield
            except (Unavailable, asyncio.CancelledError):
                if delivery.tries > 1:
                    with contextlib.suppress(Unavailable):
                        await self._database.run(forgive, order.id)
                raise

    async def _make(self, task: Task) -> None:
        try:
            async with asyncio.timeout(self._patience.job_seconds):
                with blamed_on_the_model(task.order):
                    told = self._teller(task.order.id)
                    await fulfil(task, self._database, self._stores, self._makers.studio, told)
        except TimeoutError as error:
            raise RenderTimedOut from error

    async def _with_original(self, task: Task) -> Task:
        """Generate the original that is missing. That is waiting: its slot is somebody else's."""
        order = task.order
        if order.generation is None:
            return task

        def beat(seconds: int) -> None:
            said = Generating(seconds=seconds)
            self._bus.whisper(progress_subject(order.id), msgspec.json.encode(said))

        self._slots.release()
        try:
            await self._makers.generator.generate(order, beat)
        finally:
            await self._slots.acquire()
        return task._replace(order=await self._as_it_is(order))

    async def _clear_staging(self, order: Order) -> None:
        if order.generation is not None:
            order = await self._as_it_is(order)
        await self._stores.own.delete(left_in_staging(order))

    async def _as_it_is(self, order: Order) -> Order:
        """The order with where its original is by now."""
        return await self._database.read(find_order, order.id) or order

    def _teller(self, order_id: str) -> Told:
        """Says how an order comes along, to whoever listens."""

        def tell(done: int, of: int) -> None:
            said = Rendering(done=done, of=of)
            self._bus.whisper(progress_subject(order_id), msgspec.json.encode(said))

        return tell

    async def _fail(self, delivery: Delivery, order: Order, error: Exception) -> None:
        """Put it back for another try; or it has failed, and is refunded and perhaps parked.

        But for one that somebody else, who was told of it as well, has brought to its end.
        """
        if (await self._as_it_is(order)).state != "pending":
            log.info("somebody else was faster", reason=str(error))
            await delivery.done()
            return
        verdict = judge(error, order, self._patience)
        if not verdict.again:
            await self._give_up(delivery, order, verdict)
            return
        # Our own count: deliveries during an outage of ours were no attempts of the order.
        ended = (order.id, verdict.failure, verdict.most, verdict.left)
        tries = await self._database.run(fail_attempt, *ended)
        failpoint("F1.counted")
        if tries:
            log.warning("trying again", tries=tries, reason=str(error))
            await delivery.later(max(_backoff(tries), verdict.rest))
            return
        failpoint("F4.dead")
        log.warning("order is a dead letter now", code=verdict.failure.code)
        await delivery.dead()

    async def _give_up(self, delivery: Delivery, order: Order, verdict: Verdict) -> None:
        """What can never succeed fails at once, and nothing of it is kept."""
        failed = await self._database.run(fail_order, order.id, verdict.failure, verdict.left)
        failpoint("F3.committed")
        log.warning("order failed", code=verdict.failure.code)
        await delivery.done()
        if failed:
            await self._clear_staging(order)

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


def _backoff(tries: int, longest: float = _LONGEST_WAIT) -> float:
    return float(min(0.2 * 2 ** min(tries, 10), longest))


async def _put_back(delivery: Delivery, seconds: float) -> None:
    """Tell the bus if it can hear: a message nobody spoke for is delivered again anyway."""
    with contextlib.suppress(Exception):
        await delivery.later(seconds)
