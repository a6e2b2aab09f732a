"""Clearing away: the objects and rows of what was deleted or replaced.

Killed anywhere, each of these goes on from there when it is asked again.
"""

from datetime import timedelta

import structlog

from models.accounts import get_bucket
from models.buckets import drop_images, find_deleted, forget_credentials, keys_of, unneeded_keys
from models.burial import drop_image, find_tombstone
from models.columns import now
from models.database import Database
from models.errors import BucketFailed
from models.events import ObjectsDropped
from models.failpoint import failpoint
from models.library import Shelf
from models.places import image_folder
from models.records import Bucket
from pipeline.stores import Stores

log = structlog.get_logger(__name__)

# A customer's storage is given a day to come back before what should be deleted there is left.
PATIENCE = timedelta(days=1)
_AT_ONCE = 100


async def bury(image_id: str, database: Database, stores: Stores) -> None:
    """Delete the objects of a tombstone, then its rows.

    While a customer's storage fails the tombstone stays: the reconciler announces it every minute.
    """
    tomb = await database.read(find_tombstone, image_id)
    if tomb is None:
        return
    failpoint("D2.before_erase")
    try:
        await _erase(tomb, stores)
        failpoint("D2.erased")
    except BucketFailed as error:
        if now() - tomb.image.updated_at < PATIENCE:
            log.warning("a tombstone waits", image=image_id, reason=str(error))
            return
        log.warning("objects were left behind", image=image_id, reason=str(error))
    await database.run(drop_image, image_id)
    failpoint("D3.dropped")


async def _erase(tomb: Shelf, stores: Stores) -> None:
    # With us everything of an image, and what a broken try left beside it, is in one folder.
    await stores.own.delete_under(image_folder(tomb.bucket.public_id, tomb.image.id))
    if tomb.bucket.endpoint is not None and not _stays(tomb.bucket):
        await stores.of(tomb.bucket).delete([variant.storage_key for variant in tomb.variants])


async def drop(dropped: ObjectsDropped, database: Database, stores: Stores) -> None:
    """Delete objects that no row names any more. Raises BucketFailed when the storage fails."""
    bucket = await database.read(get_bucket, dropped.bucket_id)
    await stores.own.delete(dropped.own_keys)
    for folder in dropped.own_folders:
        await stores.own.delete_under(folder)
    if not _stays(bucket):
        failpoint("U4.before_drop")
        await stores.of(bucket).delete(await database.read(unneeded_keys, bucket, dropped))
        failpoint("U4.dropped")


async def clear_bucket(bucket_id: str, database: Database, stores: Stores) -> None:
    """Delete the rows of a deleted bucket's images, and their objects when they are to go.

    A bounded number at a time. While the storage fails the reconciler announces it every minute.
    """
    while found := await database.read(find_deleted, bucket_id, _AT_ONCE):
        bucket, images = found
        if not images:
            await database.run(forget_credentials, bucket_id)
            return
        ids = [image.id for image in images]
        for image_id in ids:
            await stores.own.delete_under(image_folder(bucket.public_id, image_id))
        if not await _emptied(bucket, await database.read(keys_of, ids), stores):
            return
        await database.run(drop_images, ids)


async def _emptied(bucket: Bucket, keys: list[str], stores: Stores) -> bool:
    """Whether these objects are gone, are to stay, or have been tried for long enough."""
    try:
        if not _stays(bucket):
            await stores.of(bucket).delete(keys)
    except BucketFailed as error:
        if now() - (bucket.deleted_at or now()) < PATIENCE:
            log.warning("a deleted bucket waits", bucket=bucket.id, reason=str(error))
            return False
        log.warning("objects were left behind", bucket=bucket.id, reason=str(error))
    return True


def _stays(bucket: Bucket) -> bool:
    """Whether the objects of a bucket are its owner's business now, and not ours."""
    return bucket.deleted_at is not None and not bucket.objects_go
