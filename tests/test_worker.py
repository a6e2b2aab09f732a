"""The worker with a real studio and real pictures: an order ends well, or is paid back."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlmodel import Session

from models.accounts import open_account, primary_bucket
from models.burial import bury_image
from models.database import Database
from models.events import Change, Original, deletion_subject, order_subject
from models.library import Shelf, shelves_of
from models.orders import Draft, accept_order, find_order
from models.recipe import Avif, Jpeg, Png, Recipe, Resize, Webp
from models.records import Account, Bucket, Image, Order, new_id
from models.settings import Settings
from pipeline.bus import Bus
from pipeline.bus_queue import queued_subjects
from pipeline.role import pipeline_alone
from pipeline.services import open_services
from pipeline.storage import Storage, open_folder
from tests.pictures import jpeg, png
from tests.servers import Nats

ASKED = [
    [
        Recipe(resize=Resize(width=100), output=Webp()),
        Recipe(resize=Resize(width=100), output=Jpeg()),
    ],
    [Recipe(resize=Resize(width=60, height=60), output=Png())],
]


class Shop(NamedTuple):
    """A running pipeline, and an account that orders."""

    database: Database
    bus: Bus
    storage: Storage
    folder: Path
    account: Account
    bucket: Bucket


@pytest.fixture
async def shop(sqlite_file: Path, nats: Nats) -> AsyncIterator[Shop]:
    async with open_shop(sqlite_file.parent, nats) as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_shop(data: Path, nats: Nats, database_url: str = "") -> AsyncIterator[Shop]:
    settings = Settings(
        data=data,
        nats_url=nats.url,
        nats_token=nats.token,
        nats_proof=nats.proof,
        children=1,
        database_url=database_url,
    )
    async with open_services(settings, "s" * 32) as services:
        database = services.database
        account = await database.run(open_account, "somebody", 100, 10_000_000)
        bucket = await database.read(primary_bucket, account.id)
        storage = open_folder(data / "objects")
        async with beside(services.relay.run()), pipeline_alone(services):
            yield Shop(database, services.bus, storage, data / "objects", account, bucket)


@contextlib.asynccontextmanager
async def beside(work: object) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def order(shop: Shop, data: bytes | None, asked: list[list[Recipe]] = ASKED) -> str:
    """Put the original into staging, if there is one, and order."""
    order_id = new_id()
    staging = f"staging/{order_id}"
    if data is not None:
        await shop.storage.put(staging, data)
    original = Original(
        name="cat.jpg", size=len(data or b""), sha256=hashlib.sha256(data or b"").hexdigest()
    )
    draft = Draft(
        order_id=order_id,
        account_id=shop.account.id,
        bucket_id=shop.bucket.id,
        staging_key=staging,
        original=original,
        asked=asked,
        cost=sum(map(len, asked)),
        change=Change(name="cat.jpg"),
    )
    await shop.database.run(accept_order, draft)
    return order_id


async def ended(shop: Shop, order_id: str, seconds: float = 30) -> Order:
    async with asyncio.timeout(seconds):
        while True:
            found = await shop.database.read(find_order, order_id)
            assert found is not None
            if found.state != "pending":
                return found
            await asyncio.sleep(0.02)


async def until_empty(shop: Shop, prefix: str) -> None:
    async with asyncio.timeout(5):
        while await how_many(shop, prefix):  # noqa: ASYNC110 a storage has no bell
            await asyncio.sleep(0.02)


async def how_many(shop: Shop, prefix: str) -> int:
    return len([stored async for stored in shop.storage.list_under(prefix)])


def credits_of(session: Session, account_id: str) -> int:
    return session.get_one(Account, account_id).credits_free


def shelves_by(session: Session, order_id: str) -> list[Shelf]:
    return shelves_of(session, session.get_one(Order, order_id))


def has_image(session: Session, image_id: str) -> bool:
    return session.get(Image, image_id) is not None


async def test_an_order_becomes_variants_whose_objects_are_what_their_rows_say(
    shop: Shop,
) -> None:
    order_id = await order(shop, jpeg(320, 200))
    assert (await ended(shop, order_id)).state == "done"
    shelves = await shop.database.read(shelves_by, order_id)
    assert [len(shelf.variants) for shelf in shelves] == [4, 3]
    for variant in (variant for shelf in shelves for variant in shelf.variants):
        data = await shop.storage.get(variant.storage_key)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (variant.size, variant.sha256)
    asked = [variant for shelf in shelves for variant in shelf.variants if variant.counted]
    assert [(one.format, one.width, one.height) for one in asked] == [
        ("webp", 100, 63),
        ("jpeg", 100, 63),
        ("png", 60, 60),
    ]
    assert shelves[0].image.original.width == 320
    assert await shop.database.read(credits_of, shop.account.id) == 97
    await until_empty(shop, "staging")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"certainly not an image", "not-an-image"),
        (b"", "empty-file"),
        (jpeg(320, 200)[:1500], "damaged-image"),
    ],
)
async def test_what_is_no_picture_fails_at_once_and_costs_nothing(
    shop: Shop, data: bytes, code: str
) -> None:
    failed = await ended(shop, await order(shop, data))
    assert failed.state == "failed"
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.status) == (code, 400)
    assert failed.attempts == 0
    assert await shop.database.read(credits_of, shop.account.id) == 100
    await until_empty(shop, "staging")
    await until_empty(shop, "variants")


async def test_an_original_that_is_gone_fails_and_is_paid_back(shop: Shop) -> None:
    failed = await ended(shop, await order(shop, None))
    assert failed.state == "failed"
    assert await shop.database.read(credits_of, shop.account.id) == 100


async def test_a_second_message_for_a_finished_order_changes_nothing(shop: Shop) -> None:
    order_id = await order(shop, png(80, 60))
    await ended(shop, order_id)
    before = await shop.database.read(shelves_by, order_id)
    again = b'{"type":"order-accepted","orderId":"%s"}' % order_id.encode()
    await shop.bus.publish(order_subject(order_id), again, "another-id")
    other = await order(shop, png(80, 60))
    await ended(shop, other)
    await asyncio.sleep(0.2)
    after = await shop.database.read(shelves_by, order_id)
    assert [shelf.image.updated_at for shelf in after] == [s.image.updated_at for s in before]
    assert await shop.database.read(credits_of, shop.account.id) == 94


async def test_messages_that_nobody_understands_do_not_stop_the_work(shop: Shop) -> None:
    for number, junk in enumerate((b"", b"{}", b"\xff", b'{"type":"unheard-of"}')):
        await shop.bus.publish(order_subject(f"junk-{number}"), junk, f"junk-{number}")
    nobody = b'{"type":"order-accepted","orderId":"nobody"}'
    await shop.bus.publish(order_subject("nobody"), nobody, "nobody")
    assert (await ended(shop, await order(shop, png(80, 60)))).state == "done"


async def test_while_storage_cannot_be_written_the_order_waits_and_then_succeeds(
    shop: Shop,
) -> None:
    obstacle = shop.folder / "variants"
    obstacle.write_bytes(b"a file where a folder should be")
    order_id = await order(shop, png(80, 60))
    await asyncio.sleep(2)
    found = await shop.database.read(find_order, order_id)
    assert found is not None
    assert (found.state, found.attempts) == ("pending", 0)
    assert await queued_subjects(shop.bus) == {order_subject(order_id)}  # as it was
    obstacle.unlink()
    assert (await ended(shop, order_id)).state == "done"
    assert await shop.database.read(credits_of, shop.account.id) == 97


async def test_a_buried_image_loses_its_objects_and_its_rows(shop: Shop) -> None:
    order_id = await order(shop, png(80, 60), ASKED[:1])
    await ended(shop, order_id)
    (shelf,) = await shop.database.read(shelves_by, order_id)
    await shop.database.run(bury_image, shop.account.id, shelf.image.id)
    async with asyncio.timeout(10):
        while await shop.database.read(has_image, shelf.image.id):  # noqa: ASYNC110 nor a database
            await asyncio.sleep(0.02)
    await until_empty(shop, "variants")


async def test_a_deletion_that_is_said_twice_is_done_once(shop: Shop) -> None:
    order_id = await order(shop, png(80, 60), ASKED[:1])
    await ended(shop, order_id)
    (shelf,) = await shop.database.read(shelves_by, order_id)
    message = b'{"type":"image-deleted","imageId":"%s"}' % shelf.image.id.encode()
    await shop.bus.publish(deletion_subject(shelf.image.id), message, "too-early")
    other = await order(shop, png(80, 60))
    await ended(shop, other)
    assert await shop.database.read(has_image, shelf.image.id)


async def test_many_orders_at_once_all_end_well(shop: Shop) -> None:
    small = [[Recipe(resize=Resize(width=20), output=Webp())]]
    orders = [await order(shop, png(80 + n, 60), small) for n in range(12)]
    ends = [await ended(shop, one) for one in orders]
    assert {end.state for end in ends} == {"done"}
    assert await shop.database.read(credits_of, shop.account.id) == 88


async def test_every_format_is_made(shop: Shop) -> None:
    asked = [[Recipe(resize=Resize(width=50), output=one()) for one in (Avif, Webp, Jpeg, Png)]]
    order_id = await order(shop, jpeg(320, 200), asked)
    assert (await ended(shop, order_id)).state == "done"
    (shelf,) = await shop.database.read(shelves_by, order_id)
    kinds = [variant.content_type for variant in shelf.variants if variant.counted]
    assert kinds == ["image/avif", "image/webp", "image/jpeg", "image/png"]
