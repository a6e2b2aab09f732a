"""Clearing away what a deleted bucket had: a bounded number of images at a time."""

from models.buckets import drop_images, find_deleted, forget_credentials, keys_of
from models.database import Database
from pipeline.stores import Stores

_AT_ONCE = 100


async def clear_bucket(bucket_id: str, database: Database, stores: Stores) -> None:
    """Delete the rows of a deleted bucket's images, and their objects when they are to go.

    Killed anywhere, it goes on from there. Raises BucketFailed when the storage fails.
    """
    while True:
        found = await database.read(find_deleted, bucket_id, _AT_ONCE)
        if found is None:
            return
        bucket, images = found
        if not images:
            break
        ids = [image.id for image in images]
        if bucket.objects_go:
            await stores.of(bucket).delete(await database.read(keys_of, ids))
        await database.run(drop_images, ids)
    await database.run(forget_credentials, bucket_id)
