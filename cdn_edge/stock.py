"""What derivatives start from, as the database and object storage have it."""

from typing import cast

from cdn_edge.darkroom import FindStored, ReadStored
from cdn_edge.entry import Entry
from cdn_edge.sources import Kind, Stored
from models.accounts import get_bucket
from models.database import Database
from models.errors import NotFound
from models.masters import find_sources
from models.records import Master, Variant
from pipeline.storage import MissingObject
from pipeline.stores import Objects, Stores


def stock_finder(database: Database) -> FindStored:
    """Looks up what there is of a variant's image."""

    async def find(variant: Entry) -> list[Stored]:
        found = await database.read(find_sources, variant.image)
        if found is None:
            raise NotFound
        store = found.bucket.id if found.bucket.endpoint else ""
        masters = [_stored(one, cast("Kind", one.kind), "") for one in found.masters]
        return masters + [_stored(one, "variant", store) for one in found.variants]

    return find


def _stored(row: Master | Variant, kind: Kind, store: str) -> Stored:
    return Stored(
        kind=kind,
        key=row.storage_key,
        format=row.format,
        width=row.width,
        height=row.height,
        sha256=row.sha256,
        store=store,
    )


def stock_reader(database: Database, stores: Stores) -> ReadStored:
    """Reads one of them."""

    async def read(stored: Stored) -> bytes:
        storage: Objects = stores.own
        if stored.store:
            storage = stores.of(await database.read(get_bucket, stored.store))
        try:
            return await storage.get(stored.key)
        except MissingObject as error:
            raise NotFound from error

    return read
