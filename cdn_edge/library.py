"""The edge's two questions, answered by the database and by object storage."""

from cdn_edge.entry import Entry, Fetch, Find
from models.database import Database
from models.errors import NotFound
from models.library import find_variant
from models.records import Variant
from pipeline.storage import MissingObject, Storage


def finder(database: Database) -> Find:
    """Looks a key up; nothing is ever built from a URL."""

    async def find(bucket: str, object_key: str) -> Entry | None:
        variant = await database.read(find_variant, bucket, object_key)
        return _entry(variant) if variant else None

    return find


def fetcher(storage: Storage) -> Fetch:
    """Reads an entry's bytes."""

    async def fetch(entry: Entry) -> bytes:
        try:
            return await storage.get(entry.path)
        except MissingObject as error:
            raise NotFound from error

    return fetch


def _entry(variant: Variant) -> Entry:
    return Entry(
        path=variant.storage_key,
        content_type=variant.content_type,
        etag=variant.sha256,
        size=variant.size,
        last_modified=int(variant.created_at.timestamp()),
    )
