"""What derivatives start from, as the database and object storage have it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import cast
from uuid import uuid4

import msgspec

from cdn_edge.darkroom import FindStored, IsStill, OpenStored
from cdn_edge.entry import Entry
from cdn_edge.gathering import Gathering
from cdn_edge.sources import Kind, Stored
from models.accounts import get_bucket
from models.database import Database
from models.errors import NotFound, Unavailable
from models.masters import are_of_images, find_sources
from models.records import Master, Variant
from pipeline.storage import MissingObject
from pipeline.stores import Stores

_CHECK_SECONDS = 2.0
_LINGER_SECONDS = 0.1


def stock_finder(database: Database) -> FindStored:
    """Looks up what there is of a variant's image."""

    async def find(variant: Entry) -> list[Stored]:
        found = await database.read(find_sources, variant.image)
        if found is None:
            raise NotFound
        store = found.bucket.id if found.bucket.endpoint else ""
        masters = [
            msgspec.structs.replace(_stored(one, cast("Kind", one.kind), ""), whole=one.whole)
            for one in found.masters
        ]
        variants = [_stored(one, "variant", store) for one in found.variants]
        return masters + variants if _shows_what_they_do(variant, masters, variants) else []

    return find


def stock_checker(database: Database) -> IsStill:
    """Asks whether a variant is still its image's; of many at a time, as nobody waits for it."""

    async def ask_all(asked: Collection[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        return await database.read(are_of_images, asked)

    checks = Gathering(ask_all, at_once=1, linger=_LINGER_SECONDS)

    async def still(variant: Entry) -> bool:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                return bool(await checks.ask((variant.image, variant.etag)))
        except TimeoutError as error:
            raise Unavailable from error

    return still


def _shows_what_they_do(variant: Entry, masters: list[Stored], variants: list[Stored]) -> bool:
    """A thumbnail is none of the variants: it shows the original, whatever its image is cut to."""
    mine = any(one.key == variant.path for one in variants)
    return mine or (bool(masters) and all(one.whole for one in masters))


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


def stock_opener(database: Database, stores: Stores) -> OpenStored:
    """Opens one of them: what is in a local folder where it is, anything else is copied first."""

    @contextlib.asynccontextmanager
    async def opened(stored: Stored, scratch: Path) -> AsyncIterator[Path]:
        try:
            async with _file(database, stores, stored, scratch) as path:
                yield path
        except MissingObject as error:
            raise NotFound from error

    return opened


@contextlib.asynccontextmanager
async def _file(
    database: Database, stores: Stores, stored: Stored, scratch: Path
) -> AsyncIterator[Path]:
    if not stored.store:
        async with stores.own.file(stored.key, scratch) as path:
            yield path
        return
    bucket = await database.read(get_bucket, stored.store)
    data = await stores.of(bucket).get(stored.key)
    path = scratch / uuid4().hex
    try:
        await asyncio.to_thread(path.write_bytes, data)
        yield path
    finally:
        path.unlink(missing_ok=True)
