"""What was deleted is cleared away, from a customer's storage too, as long as that takes."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec
import pytest
from sqlmodel import Session, col, func, select, update

from models.accounts import open_account
from models.buckets import Credentials, add_bucket, delete_bucket
from models.burial import bury_image
from models.columns import now
from models.database import Database
from models.errors import BucketFailed
from models.events import ObjectsDropped
from models.library import list_images
from models.made import Made
from models.orders import accept_order, finish_order
from models.records import Account, Bucket, Image, Variant, new_id
from models.vault import seal
from pipeline.clearing import PATIENCE, bury, clear_bucket, drop
from pipeline.egress import Egress
from pipeline.storage import MissingObject, Storage
from pipeline.stores import Stores
from pipeline.tunnel import Tunnel
from tests.faults import FaultProxy
from tests.samples import SEEN, draft, made
from tests.servers import S3

SECRET = "s" * 32
OLDER = PATIENCE + timedelta(minutes=1)


class Shop(NamedTuple):
    """A customer's bucket with an image in a real S3, behind a line that can be cut."""

    database: Database
    stores: Stores
    line: FaultProxy
    bucket: Bucket
    image: str
    keys: list[str]

    async def left(self) -> list[str]:
        """The keys that still have objects."""
        place = self.stores.of(self.bucket)
        return [key for key in self.keys if await _is_there(place.get(key))]


async def _is_there(got: object) -> bool:
    try:
        await got  # type: ignore[misc]  # a coroutine
    except MissingObject:
        return False
    return True


@pytest.fixture
async def shop(sqlite: Database, s3: S3, folder_storage: Storage) -> AsyncIterator[Shop]:
    account = await sqlite.run(open_account, "somebody", 100, 1_000_000)
    async with FaultProxy("127.0.0.1", s3.port) as line:
        tunnel = Tunnel(Egress(allow=frozenset({("127.0.0.1", line.port)})))
        async with tunnel.listening():
            stores = Stores(folder_storage, SECRET, tunnel)
            bucket = await sqlite.run(add_bucket, account.id, _fields(s3, line.port))
            prints = [_placed(one) for one in made(new_id())]
            image = await _uploaded(sqlite, account, bucket, prints)
            keys = [one.storage_key for one in prints]
            for key in keys:
                await stores.of(bucket).put(key, b"x")
            yield Shop(sqlite, stores, line, bucket, image, keys)


def _fields(s3: S3, port: int) -> dict[str, object]:
    keys = Credentials(access_key=s3.access_key, secret_key=s3.secret_key)
    return {
        "id": "some-bucket",
        "key": "mine",
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "remote_bucket": "tests",
        "credentials": seal(SECRET, msgspec.json.encode(keys), "some-bucket"),
    }


def _placed(one: Made) -> Made:
    return msgspec.structs.replace(one, storage_key=f"clearing/{one.object_key}")


async def _uploaded(
    database: Database, account: Account, bucket: Bucket, prints: Sequence[Made]
) -> str:
    wanted = draft(account.id, bucket.id)
    await database.run(accept_order, wanted)
    assert await database.run(finish_order, wanted.order_id, SEEN, [prints])
    return (await database.read(list_images, bucket, 1, 1, "first")).shelves[0].image.id


def rows(session: Session) -> tuple[int, int, str | None]:
    images, variants = (
        session.exec(select(func.count()).select_from(table)).one() for table in (Image, Variant)
    )
    return images, variants, session.get_one(Bucket, "some-bucket").credentials


def make_old(session: Session) -> None:
    long_ago = now() - OLDER
    session.exec(update(Image).values(updated_at=long_ago))
    deleted = col(Bucket.deleted_at).is_not(None)
    session.exec(update(Bucket).where(deleted).values(deleted_at=long_ago))


async def delete(shop: Shop, *, objects: bool) -> None:
    account = shop.bucket.account_id
    await shop.database.run(delete_bucket, account, "mine", force=True, objects=objects)


async def test_a_deleted_image_is_buried_when_its_storage_is_back(shop: Shop) -> None:
    await shop.database.run(bury_image, shop.bucket.account_id, shop.image)
    shop.line.down()
    await bury(shop.image, shop.database, shop.stores)
    assert (await shop.database.read(rows))[:2] == (1, 3)
    await shop.line.up()
    await bury(shop.image, shop.database, shop.stores)
    assert (await shop.database.read(rows))[:2] == (0, 0)
    assert await shop.left() == []


async def test_a_deleted_image_is_forgotten_when_its_storage_stays_away_for_a_day(
    shop: Shop,
) -> None:
    await shop.database.run(bury_image, shop.bucket.account_id, shop.image)
    shop.line.down()
    await shop.database.run(make_old)
    await bury(shop.image, shop.database, shop.stores)
    assert (await shop.database.read(rows))[:2] == (0, 0)


async def test_a_deleted_bucket_is_cleared_when_its_storage_is_back(shop: Shop) -> None:
    await delete(shop, objects=True)
    shop.line.down()
    await clear_bucket("some-bucket", shop.database, shop.stores)
    images, variants, credentials = await shop.database.read(rows)
    assert (images, variants, credentials is None) == (1, 3, False)
    await shop.line.up()
    await clear_bucket("some-bucket", shop.database, shop.stores)
    assert await shop.database.read(rows) == (0, 0, None)
    assert await shop.left() == []


async def test_a_deleted_bucket_is_forgotten_when_its_storage_stays_away_for_a_day(
    shop: Shop,
) -> None:
    await delete(shop, objects=True)
    shop.line.down()
    await shop.database.run(make_old)
    await clear_bucket("some-bucket", shop.database, shop.stores)
    assert await shop.database.read(rows) == (0, 0, None)


async def test_a_bucket_deleted_without_its_objects_is_cleared_without_its_storage(
    shop: Shop,
) -> None:
    await delete(shop, objects=False)
    shop.line.down()
    await bury(shop.image, shop.database, shop.stores)
    await clear_bucket("some-bucket", shop.database, shop.stores)
    assert await shop.database.read(rows) == (0, 0, None)
    await shop.line.up()
    assert await shop.left() == shop.keys


async def test_a_bucket_that_lives_is_not_cleared(shop: Shop) -> None:
    await clear_bucket("some-bucket", shop.database, shop.stores)
    await bury(shop.image, shop.database, shop.stores)
    assert (await shop.database.read(rows))[:2] == (1, 3)
    assert await shop.left() == shop.keys


async def test_dropped_objects_go_unless_an_image_has_them_again(shop: Shop) -> None:
    place = shop.stores.of(shop.bucket)
    await place.put("clearing/old.gif", b"x")
    dropped = ObjectsDropped(
        bucket_id="some-bucket", storage_keys=[*shop.keys, "clearing/old.gif"], image_id=shop.image
    )
    await drop(dropped, shop.database, shop.stores)
    assert await shop.left() == shop.keys
    with pytest.raises(MissingObject):
        await place.get("clearing/old.gif")
    shop.line.down()
    with pytest.raises(BucketFailed):
        await drop(msgspec.structs.replace(dropped, storage_keys=["x"]), shop.database, shop.stores)
