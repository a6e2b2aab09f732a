"""The library: what an account has, what the world may see of it, and how it goes away."""

import asyncio

import msgspec
import pytest
from sqlmodel import Session, col, select

from models.accounts import open_account, primary_bucket
from models.burial import bury_image, drop_image, find_tombstone
from models.database import Database
from models.errors import NotFound
from models.events import ImageDeleted, Purged, deletion_subject, purge_subject
from models.library import (
    Shelf,
    find_image,
    find_variants,
    shelves_of,
)
from models.orders import accept_order, finish_order, images_of
from models.records import Account, Image, Order, Outbox, Variant, new_id
from tests.samples import SEEN, draft, made


async def an_image(database: Database, account: Account, name: str = "a") -> Shelf:
    bucket = await database.read(primary_bucket, account.id)
    wanted = draft(account.id, bucket.id)
    await database.run(accept_order, wanted)
    await database.run(finish_order, wanted.order_id, SEEN, [made(name)])
    (shelf,) = await database.read(shelves_by, wanted.order_id)
    return shelf


def shelves_by(session: Session, order_id: str) -> list[Shelf]:
    return shelves_of(session, session.get_one(Order, order_id))


def images_by(session: Session, order_id: str) -> list[Image]:
    return images_of(session, session.get_one(Order, order_id))


def said(session: Session, subject: str) -> list[bytes]:
    return list(session.exec(select(Outbox.payload).where(Outbox.subject == subject)))


def storage_used(session: Session, account_id: str) -> int:
    return session.get_one(Account, account_id).storage_used


async def test_an_image_is_found_with_its_bucket_and_its_variants_in_order(
    database: Database, account: Account
) -> None:
    shelf = await an_image(database, account)
    found = await database.read(find_image, account.id, shelf.image.id)
    assert found.bucket.account_id == account.id
    assert [variant.format for variant in found.variants] == ["webp", "webp", "jpeg"]
    assert [variant.counted for variant in found.variants] == [False, True, True]


async def test_an_image_of_somebody_else_is_not_found_and_cannot_be_deleted(
    database: Database, account: Account
) -> None:
    shelf = await an_image(database, account)
    other = await database.run(open_account, "other", 0, 0)
    for work in (find_image, bury_image):
        with pytest.raises(NotFound):
            await database.run(work, other.id, shelf.image.id)
    assert await database.read(find_image, account.id, shelf.image.id)


async def test_a_pending_image_is_not_found(
    database: Database, account: Account, bucket_id: str
) -> None:
    wanted = draft(account.id, bucket_id)
    await database.run(accept_order, wanted)
    (image,) = await database.read(images_by, wanted.order_id)
    with pytest.raises(NotFound):
        await database.read(find_image, account.id, image.id)
    assert await database.read(shelves_by, wanted.order_id) == []


async def test_a_variant_is_found_by_what_stands_in_its_url(
    database: Database, account: Account
) -> None:
    shelf = await an_image(database, account)
    wanted = shelf.variants[1]
    mine = (shelf.bucket.public_id, wanted.object_key)
    others = [(mine[0], "other.webp"), ("otherbucket", mine[1]), (mine[0], f"folder/{mine[1]}")]
    found = await database.read(find_variants, [*others, mine])
    assert [*found] == [mine]
    assert [one.id for one in found[mine]] == [wanted.id, shelf.bucket.id]


async def test_a_buried_image_is_gone_for_everybody_and_its_storage_is_given_back(
    database: Database, account: Account
) -> None:
    shelf = await an_image(database, account)
    assert await database.read(storage_used, account.id) == 1000
    await database.run(bury_image, account.id, shelf.image.id)
    with pytest.raises(NotFound):
        await database.read(find_image, account.id, shelf.image.id)
    key = shelf.variants[0].object_key
    assert await database.read(find_variants, [(shelf.bucket.public_id, key)]) == {}
    assert await database.read(storage_used, account.id) == 0


async def test_a_burial_tells_the_edges_and_the_pipeline(
    database: Database, account: Account
) -> None:
    shelf = await an_image(database, account)
    await database.run(bury_image, account.id, shelf.image.id)
    (purge,) = await database.read(said, purge_subject(shelf.bucket.public_id))
    keys = msgspec.json.decode(purge, type=Purged).keys
    assert keys == [variant.object_key for variant in shelf.variants]
    (deletion,) = await database.read(said, deletion_subject(shelf.image.id))
    assert msgspec.json.decode(deletion, type=ImageDeleted).image_id == shelf.image.id


async def test_of_many_burials_at_once_one_counts(database: Database, account: Account) -> None:
    shelf = await an_image(database, account)
    await an_image(database, account, "b")
    outcomes = await asyncio.gather(
        *(database.run(bury_image, account.id, shelf.image.id) for _ in range(8)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 7
    assert await database.read(storage_used, account.id) == 1000


async def test_a_tombstone_stands_until_it_is_dropped(database: Database, account: Account) -> None:
    shelf = await an_image(database, account)
    assert await database.read(find_tombstone, shelf.image.id) is None
    await database.run(bury_image, account.id, shelf.image.id)
    tomb = await database.read(find_tombstone, shelf.image.id)
    assert tomb is not None
    assert len(tomb.variants) == 3
    for _ in range(2):
        await database.run(drop_image, shelf.image.id)
        assert await database.read(find_tombstone, shelf.image.id) is None
    assert await database.read(rows_of, shelf.image.id) == 0


def rows_of(session: Session, image_id: str) -> int:
    variants = session.exec(select(Variant).where(col(Variant.image_id) == image_id)).all()
    return len(variants) + (session.get(Image, image_id) is not None)


async def test_an_image_that_is_not_deleted_cannot_be_dropped(
    database: Database, account: Account
) -> None:
    shelf = await an_image(database, account)
    await database.run(drop_image, shelf.image.id)
    found = await database.read(find_image, account.id, shelf.image.id)
    assert len(found.variants) == 3


async def test_what_never_was_is_no_tombstone(database: Database) -> None:
    assert await database.read(find_tombstone, new_id()) is None
