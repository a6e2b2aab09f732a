"""The edge's two questions, answered by the database and by object storage."""

from collections.abc import Collection

from cdn_edge.entry import GONE, Entry, Fetch, Find
from cdn_edge.gathering import Gathering
from models.accounts import get_bucket
from models.database import Database
from models.errors import Gone, NotFound
from models.photos import find_objects
from models.records import Bucket, Variant
from pipeline.storage import MissingObject
from pipeline.stores import Objects, Stores


def finder(database: Database) -> Find:
    """Looks keys up, those that come together at once; nothing is ever built from a URL."""

    async def find_all(wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        found = await database.read(find_objects, wanted)
        return {
            one: GONE if isinstance(there, Gone) else _entry(*there) for one, there in found.items()
        }

    looks = Gathering(find_all)

    async def find(bucket: str, object_key: str) -> Entry | None:
        return await looks.ask((bucket, object_key))

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
