"""The edge's two questions, answered by the database and by object storage."""

from cdn_edge.entry import GONE, Entry, Fetch, Find
from models.accounts import get_bucket
from models.database import Database
from models.errors import Gone, NotFound
from models.photos import find_object
from models.records import Bucket, Variant
from pipeline.storage import MissingObject
from pipeline.stores import Objects, Stores


def finder(database: Database) -> Find:
    """Looks a key up; nothing is ever built from a URL."""

    async def find(bucket: str, object_key: str) -> Entry | None:
        try:
            found = await database.read(find_object, bucket, object_key)
        except Gone:
            return GONE
        return _entry(*found) if found else None

    return find


def fetcher(database: Database, stores: Stores) -> Fetch:
    """Reads an entry's bytes."""

    async def fetch(entry: Entry) -> bytes:
        storage: Objects = stores.own
        if entry.store:
            storage = stores.of(await database.read(get_bucket, entry.store))
        try:
            return await storage.get(entry.path)
        except MissingObject as error:
            raise NotFound from error

    return fetch


def _entry(variant: Variant, bucket: Bucket) -> Entry:
    replaceable = f"{variant.image_id}-{variant.id_suffix}.{variant.extension}"
    return Entry(
        path=variant.storage_key,
        content_type=variant.content_type,
        etag=variant.sha256,
        size=variant.size,
        last_modified=int(variant.created_at.timestamp()),
        immutable=variant.object_key != replaceable,
        store=bucket.id if bucket.endpoint else "",
        bucket=bucket.public_id,
        image=variant.image_id,
        format=variant.format,
        width=variant.width,
        height=variant.height,
    )
