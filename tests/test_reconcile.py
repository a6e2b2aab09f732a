"""The reconciler: whatever was left behind is found, put right once, and then nothing is found."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from sqlmodel import Session, col, select, update

from models.accounts import primary_bucket
from models.burial import bury_image
from models.columns import now
from models.database import Database
from models.events import ORDERS, Failure, ObjectsDropped, drop_subject
from models.keeping import Made
from models.orders import accept_order, finish_order
from models.outgoing import announce
from models.places import order_folder
from models.records import Account, Bucket, Image, Outbox, new_id
from pipeline.bus import Bus
from pipeline.bus_queue import queued_subjects
from pipeline.reconcile.findings import Findings, Report
from pipeline.reconcile.rounds import EVERY_MINUTE, NOW_AND_THEN, go_round
from pipeline.reconcile.scene import Rules, Scene
from pipeline.storage import Storage
from tests.samples import SEEN, draft, made
from tests.servers import Nats

# Everything is old at once: no test waits, and nobody else is at work.
NO_AGE = timedelta(seconds=-5)
OLD = Rules(announced=NO_AGE, received=NO_AGE, written=NO_AGE, dead=timedelta(days=7))
ALL = (*EVERY_MINUTE, *NOW_AND_THEN)
FAILURE = Failure(status=422, code="render-crashed", message="The image made its decoder fail.")
DIGEST = "cd" * 32


class Shop(NamedTuple):
    """A system at rest with one image, and a message for nothing."""

    scene: Scene
    account: Account
    bucket: Bucket
    image: str
    keys: list[str]

    async def found(self, *, dry: bool = False) -> dict[str, int]:
        return (await self.look(dry=dry)).counts

    async def look(self, *, dry: bool = False) -> Findings:
        findings = await go_round(ALL, self.scene._replace(dry=dry), Report())
        assert not findings.unseen
        return findings

    async def damage(self, hurt: Callable[..., Any], *args: Any) -> Any:
        return await self.scene.database.run(hurt, *args)

    async def ask(self, question: Callable[..., Any], *args: Any) -> Any:
        return await self.scene.database.read(question, *args)

    def folder(self, order_id: str = "") -> str:
        return order_folder(self.bucket.public_id, self.image, order_id or new_id())


@pytest.fixture
async def shop(database: Database, bus: Bus, account: Account, folder_storage: Storage) -> Shop:
    return await open_shop(Scene(database, folder_storage, bus, OLD), account)


async def open_shop(scene: Scene, account: Account) -> Shop:
    bucket = await scene.database.read(primary_bucket, account.id)
    image, keys = await ready_image(scene, account, bucket)
    await settle_down(scene)
    return Shop(scene, account, bucket, image, keys)


async def settle_down(scene: Scene) -> None:
    """What was announced is said, heard and done."""
    await go_round(EVERY_MINUTE[:1], scene, Report())
    await scene.bus.ask("STREAM.PURGE.CALOTYPE_WORK")


async def ready_image(scene: Scene, account: Account, bucket: Bucket) -> tuple[str, list[str]]:
    wanted = draft(account.id, bucket.id)
    await scene.database.run(accept_order, wanted)
    image = await scene.database.read(image_of, wanted.order_id)
    prints = [placed(one, bucket, image, wanted.order_id) for one in made(new_id())]
    for one in prints:
        await scene.storage.put(one.storage_key, b"x")
    assert await scene.database.run(finish_order, wanted.order_id, SEEN, [prints])
    return image, [one.storage_key for one in prints]


def placed(one: Made, bucket: Bucket, image: str, order_id: str) -> Made:
    key = f"{order_folder(bucket.public_id, image, order_id)}/{one.object_key}"
    return msgspec.structs.replace(one, storage_key=key)


def image_of(session: Session, order_id: str) -> str:
    return session.exec(select(Image.id).where(Image.order_id == order_id)).one()


async def accept(shop: Shop) -> str:
    wanted = draft(shop.account.id, shop.bucket.id)
    await shop.scene.database.run(accept_order, wanted)
    await shop.scene.storage.put(wanted.staging_key, b"original")
    return wanted.order_id


async def names(storage: Storage, prefix: str) -> set[str]:
    return {stored.key async for stored in storage.list_under(prefix)}


def balance(session: Session, account_id: str) -> int:
    account = session.get_one(Account, account_id)
    return account.credits_free + account.credits_paid


async def test_where_all_is_well_nothing_is_found(shop: Shop) -> None:
    assert await shop.found() == {}


async def test_an_accepted_order_that_nobody_announced_is_announced(shop: Shop) -> None:
    order_id = await accept(shop)
    assert await shop.found(dry=True) == {"unsent": 1}
    assert await queued_subjects(shop.scene.bus) == set()
    assert await shop.found() == {"unsent": 1}
    assert await queued_subjects(shop.scene.bus) == {f"{ORDERS}.{order_id}"}
    assert await shop.found() == {}


async def test_a_stream_that_was_deleted_is_filled_again_from_the_database(
    shop: Shop, nats: Nats
) -> None:
    orders = [await accept(shop) for _ in range(3)]
    await shop.damage(bury_image, shop.account.id, shop.image)
    dropped = ObjectsDropped(bucket_id=shop.bucket.id, storage_keys=["variants/x"])
    await shop.damage(announce, drop_subject("some-order"), dropped)
    assert await shop.found() == {"unsent": 6}
    held = await queued_subjects(shop.scene.bus)
    assert len(held) == 5
    nats.lose_everything()
    await shop.damage(say_long_ago)
    assert await shop.found() == {"orders": 3, "tombstones": 1, "drops": 1}
    assert await shop.found() == {"unsent": 5}
    assert await queued_subjects(shop.scene.bus) == held
    assert await shop.found() == {}
    assert {f"{ORDERS}.{one}" for one in orders} < held


def say_long_ago(session: Session) -> None:
    said = col(Outbox.sent_at).is_not(None)
    session.exec(update(Outbox).where(said).values(sent_at=now() - timedelta(minutes=10)))
