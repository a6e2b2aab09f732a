"""The reconciler: finds what a crash left behind, and puts it on its way again."""

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, select

from models.columns import now
from models.database import Database
from models.events import (
    BucketDeleted,
    ImageDeleted,
    OrderAccepted,
    deletion_subject,
    order_subject,
)
from models.failpoint import failpoint
from models.ledger import refund_forgotten
from models.outgoing import announce
from models.records import Bucket, Image, Order
from models.replays import forget_replays
from models.wire import Wire
from pipeline.outbox import forget_sent
from pipeline.storage import STAGING, Storage

log = structlog.get_logger("reconciler")

_EVERY_SECONDS = 60.0
_STALE = timedelta(minutes=5)
_LITTER_AGE = timedelta(hours=1)
_FORGOTTEN = timedelta(minutes=15)
_BATCH = 500


class Findings(Wire, frozen=True):
    """What one round found, and put right."""

    orders: int = 0
    tombstones: int = 0
    buckets: int = 0
    staging: int = 0
    refunds: int = 0


class Reconciler:
    """Every round is idempotent and may itself be killed anywhere."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage
        self._first = True

    async def run(self) -> None:
        """A round now and one every minute, until cancelled."""
        while True:
            findings = await self.round(timedelta() if self._first else _STALE)
            self._first = False
            if findings != Findings():
                log.info(
                    "put right",
                    **{name: getattr(findings, name) for name in Findings.__struct_fields__},
                )
            await asyncio.sleep(_EVERY_SECONDS)

    async def round(self, stale: timedelta) -> Findings:
        """Announce again every order and tombstone older than `stale`, and sweep staging."""
        before = now() - stale
        orders = await self._database.run(announce_stale_orders, before)
        failpoint("R1.announced")
        tombstones = await self._database.run(announce_tombstones, before)
        buckets = await self._database.run(announce_deleted_buckets, before)
        await self._database.run(forget_sent)
        await self._database.run(forget_replays)
        forgotten = now() - _FORGOTTEN
        refunds = await self._database.run(refund_forgotten, forgotten)
        failpoint("R3.refunded")
        return Findings(
            orders=orders,
            tombstones=tombstones,
            buckets=buckets,
            staging=await self._sweep_staging(),
            refunds=refunds,
        )

    async def _sweep_staging(self) -> int:
        """Delete originals that no pending order needs."""
        oldest = (now() - _LITTER_AGE).timestamp()
        found = [
            file.key async for file in self._storage.list_under(STAGING) if file.modified < oldest
        ]
        if not found:
            return 0
        needed = await self._database.read(pending_staging_keys)
        litter = [key for key in found if key.partition("#")[0] not in needed]
        await self._storage.delete(litter)
        failpoint("R2.swept")
        return len(litter)


def announce_stale_orders(session: Session, before: datetime) -> int:
    """Say again that these orders wait: their message may be gone with the stream. How many."""
    stale = select(Order).where(Order.state == "pending", Order.created_at < before)
    found = session.exec(stale.order_by(col(Order.created_at)).limit(_BATCH)).all()
    for order in found:
        event = OrderAccepted(order_id=order.id, request_id=order.request_id)
        announce(session, order_subject(order.id), event)
    return len(found)


def announce_tombstones(session: Session, before: datetime) -> int:
    """Say again that these images' objects are to be deleted. How many."""
    stale = select(Image).where(Image.state == "deleted", Image.updated_at < before)
    found = session.exec(stale.order_by(col(Image.updated_at)).limit(_BATCH)).all()
    for image in found:
        announce(session, deletion_subject(image.id), ImageDeleted(image_id=image.id))
    return len(found)


def announce_deleted_buckets(session: Session, before: datetime) -> int:
    """Say again that these buckets are to be cleared: their keys go when that is done. How many."""
    stale = select(Bucket).where(
        col(Bucket.credentials).is_not(None), col(Bucket.deleted_at) < before
    )
    found = session.exec(stale.limit(_BATCH)).all()
    for bucket in found:
        announce(session, deletion_subject(bucket.id), BucketDeleted(bucket_id=bucket.id))
    return len(found)


def pending_staging_keys(session: Session) -> set[str]:
    """The originals that are still needed."""
    return set(session.exec(select(Order.staging_key).where(Order.state == "pending")))
