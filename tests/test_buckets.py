"""Buckets: one is primary at any moment, keys are sealed, what is deleted is cleared away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, func, select, update

from gateway.bucket_fields import BucketChange, NewBucket
from models.accounts import DEFAULT_BUCKET, find_bucket, open_account, primary_bucket
from models.attempts import count_attempt
from models.buckets import (
    LONGEST_BACKLOG,
    MOST_BUCKETS,
    Credentials,
    add_bucket,
    change_bucket,
    delete_bucket,
    drop_images,
    find_deleted,
    forget_credentials,
    list_buckets,
    unneeded_keys,
)
from models.columns import now
from models.database import Database
from models.errors import (
    BucketFailed,
    BucketRefused,
    Conflict,
    InvalidFields,
    NotFound,
    OutOfStorage,
    Unavailable,
    revived,
)
from models.events import Failure, ObjectsDropped, purge_subject
from models.forgotten import waiting_buckets
from models.galleries import Gallery
from models.library import find_image, list_images
from models.made import Made
from models.orders import (
    accept_order,
    fail_order,
    finish_order,
    open_work,
    refuse_hopeless,
)
from models.records import Account, Bucket, GalleryImage, Image, Order, Outbox, Variant, new_id
from models.vault import Unsealable, seal, unseal
from pipeline.storage import Place
from tests.samples import SEEN, draft, made

SECRET = "s" * 32
FAILURE = Failure(status=502, code="bucket-failed", message="The storage of the bucket fails.")


def custom(key: str, **fields: object) -> dict[str, object]:
    return {
        "key": key,
        "endpoint": "https://s3.example.com",
        "region": "eu-central-1",
        "remote_bucket": "pictures",
        "credentials": "sealed",
        **fields,
    }


async def add(database: Database, account: Account, key: str, **fields: object) -> Bucket:
    return await database.run(add_bucket, account.id, custom(key, **fields))


def primaries(session: Session, account_id: str) -> list[str]:
    found = select(Bucket.key).where(Bucket.account_id == account_id, col(Bucket.is_primary))
    return list(session.exec(found))


async def filled(
    database: Database, account: Account, bucket: Bucket, images: int = 1
) -> list[str]:
    """A bucket with images; their ids."""
    wanted = draft(account.id, bucket.id, images=images)
    await database.run(accept_order, wanted)
    prints = [made(new_id(), width=100 * n) for n in range(1, images + 1)]
    assert await database.run(finish_order, wanted.order_id, SEEN, prints)
    page = await database.read(list_images, bucket, 1, 200, "first")
    return [shelf.image.id for shelf in page.shelves]


# The vault


@given(st.binary(max_size=500), st.text(), st.text())
def test_what_is_sealed_is_opened_by_the_same_secret_at_the_same_place(
    plain: bytes, secret: str, place: str
) -> None:
    sealed = seal(secret, plain, place)
    assert unseal(secret, sealed, place) == plain
    assert seal(secret, plain, place) != sealed
    for other in ((secret + "x", place), (secret, place + "x")):
        with pytest.raises(Unsealable):
            unseal(other[0], sealed, other[1])


@given(st.binary(min_size=8, max_size=64), st.integers(0, 200), st.integers(1, 255))
def test_a_sealed_secret_shows_nothing_and_cannot_be_changed(
    plain: bytes, at: int, flip: int
) -> None:
    sealed = seal(SECRET, plain, "bucket")
    assert plain.hex() not in sealed.encode().hex()
    at = 3 + at % (len(sealed) - 3)
    damaged = sealed[:at] + chr((ord(sealed[at]) ^ flip) % 128) + sealed[at + 1 :]
    if damaged != sealed:
        with pytest.raises(Unsealable):
            unseal(SECRET, damaged, "bucket")


@given(st.text())
def test_whatever_is_not_sealed_is_not_opened(text: str) -> None:
    with pytest.raises(Unsealable):
        unseal(SECRET, text, "bucket")


async def test_no_credential_is_in_the_files_of_the_database(
    sqlite: Database, sqlite_file: Path
) -> None:
    account = await sqlite.run(open_account, "somebody", 100, 1_000_000)
    keys = Credentials(access_key="AKIA-in-plain-sight", secret_key="hush-hush-hush")
    sealed = seal(SECRET, msgspec.json.encode(keys), "some-bucket")
    await add(sqlite, account, "mine", id="some-bucket", credentials=sealed)
    written = b"".join(file.read_bytes() for file in sqlite_file.parent.glob("calotype.sqlite*"))
    assert sealed.encode() in written
    assert b"AKIA-in-plain" not in written
    assert b"hush" not in written


def test_no_credential_is_in_what_a_log_would_print() -> None:
    keys = {"access_key": "AKIA-in-plain-sight", "secret_key": "hush-hush-hush"}
    values: Sequence[object] = (
        Credentials(**keys),
        NewBucket(key="a", endpoint="e", bucket="b", **keys),
        BucketChange(**keys),
        Place(endpoint="e", region="r", bucket="b", **keys),
    )
    for value in values:
        assert "AKIA" not in f"{value!r}{value!s}"
        assert "hush" not in f"{value!r}{value!s}"


# Which one is primary


async def test_a_bucket_is_added_found_and_listed_after_the_default_one(
    database: Database, account: Account
) -> None:
    bucket = await add(database, account, "mine", name="My own")
    assert (bucket.name, bucket.is_primary, len(bucket.public_id)) == ("My own", False, 32)
    listed = await database.read(list_buckets, account.id)
    assert [one.key for one in listed] == [DEFAULT_BUCKET, "mine"]
    assert (await database.read(find_bucket, account.id, "mine")).id == bucket.id
    assert (await database.read(find_bucket, account.id, None)).key == DEFAULT_BUCKET


async def test_a_primary_bucket_takes_the_mark_from_the_one_before(
    database: Database, account: Account
) -> None:
    assert (await add(database, account, "mine", is_primary=True)).is_primary
    assert await database.read(primaries, account.id) == ["mine"]
    changed = await database.run(change_bucket, account.id, DEFAULT_BUCKET, {"is_primary": True})
    assert changed.is_primary
    assert await database.read(primaries, account.id) == [DEFAULT_BUCKET]
    with pytest.raises(InvalidFields, match="make another one primary"):
        await database.run(change_bucket, account.id, DEFAULT_BUCKET, {"is_primary": False})
    await database.run(change_bucket, account.id, "mine", {"is_primary": False, "name": "new"})
    assert await database.read(primaries, account.id) == [DEFAULT_BUCKET]


async def test_exactly_one_bucket_is_primary_whoever_switches_at_the_same_time(
    database: Database, account: Account
) -> None:
    keys = [DEFAULT_BUCKET, "one", "two", "three"]
    for key in keys[1:]:
        await add(database, account, key)
    seen: list[list[str]] = []

    async def look() -> None:
        seen.extend([await database.read(primaries, account.id) for _ in range(30)])

    switches = [
        database.run(change_bucket, account.id, keys[n % 4], {"is_primary": True})
        for n in range(24)
    ]
    more = [add(database, account, f"more-{n}", is_primary=True) for n in range(4)]
    await asyncio.gather(look(), *switches, *more)
    assert {len(found) for found in seen} == {1}
    assert len(await database.read(primaries, account.id)) == 1


async def test_a_bucket_is_added_once_however_often_it_is_asked_at_once(
    database: Database, account: Account
) -> None:
    outcomes = await asyncio.gather(
        *(add(database, account, "mine") for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, Bucket) for one in outcomes) == 1
    assert sum(isinstance(one, Conflict) for one in outcomes) == 7


async def test_the_default_bucket_has_its_key_for_itself(
    database: Database, account: Account
) -> None:
    with pytest.raises(Conflict):
        await add(database, account, DEFAULT_BUCKET)


async def test_an_account_has_a_bounded_number_of_buckets(
    sqlite: Database,
) -> None:
    account = await sqlite.run(open_account, "somebody", 100, 1_000_000)
    for n in range(MOST_BUCKETS - 1):
        await add(sqlite, account, f"bucket-{n}")
    with pytest.raises(Conflict, match=str(MOST_BUCKETS)):
        await add(sqlite, account, "one-more")


async def test_buckets_of_others_are_not_there(database: Database, account: Account) -> None:
    stranger = await database.run(open_account, "stranger", 0, 0)
    await add(database, account, "mine")
    assert (await add(database, stranger, "mine")).account_id == stranger.id
    await database.run(delete_bucket, stranger.id, "mine", force=False, objects=False)
    for work in (
        database.run(change_bucket, stranger.id, "mine", {"name": "x"}),
        database.run(delete_bucket, stranger.id, "mine", force=True, objects=True),
    ):
        with pytest.raises(NotFound):
            await work
    assert (await database.read(find_bucket, account.id, "mine")).name == ""


# Deleting


async def test_the_default_bucket_is_never_deleted(database: Database, account: Account) -> None:
    with pytest.raises(Conflict, match="default"):
        await database.run(delete_bucket, account.id, DEFAULT_BUCKET, force=True, objects=True)


async def test_a_deleted_bucket_leaves_its_key_and_the_mark_to_others(
    database: Database, account: Account
) -> None:
    gone = await add(database, account, "mine", is_primary=True)
    await database.run(delete_bucket, account.id, "mine", force=False, objects=False)
    assert await database.read(primaries, account.id) == [DEFAULT_BUCKET]
    with pytest.raises(InvalidFields):
        await database.read(find_bucket, account.id, "mine")
    assert (await add(database, account, "mine")).id != gone.id


async def test_a_bucket_with_images_is_deleted_only_when_that_is_meant(
    database: Database, account: Account
) -> None:
    bucket = await add(database, account, "mine")
    (image,) = await filled(database, account, bucket)
    with pytest.raises(Conflict, match="has images: 1"):
        await database.run(delete_bucket, account.id, "mine", force=False, objects=False)
    assert (await database.read(find_image, account.id, image)).image.state == "ready"
    await database.run(delete_bucket, account.id, "mine", force=True, objects=False)
    with pytest.raises(NotFound):
        await database.read(find_image, account.id, image)
    assert await database.read(said, purge_subject(bucket.public_id)) == 1


def said(session: Session, subject: str) -> int:
    found = select(func.count()).select_from(Outbox).where(Outbox.subject == subject)
    return session.exec(found).one()


async def test_a_bucket_with_an_order_under_way_stays(database: Database, account: Account) -> None:
    bucket = await add(database, account, "mine")
    wanted = draft(account.id, bucket.id)
    await database.run(accept_order, wanted)
    with pytest.raises(Conflict, match="under way"):
        await database.run(delete_bucket, account.id, "mine", force=True, objects=True)
    assert await database.run(fail_order, wanted.order_id, FAILURE)
    await database.run(delete_bucket, account.id, "mine", force=False, objects=False)
    with pytest.raises(NotFound):
        await database.run(accept_order, draft(account.id, bucket.id))


@pytest.mark.parametrize("objects", [False, True])
async def test_the_keys_to_a_deleted_bucket_are_kept_as_long_as_they_are_needed(
    database: Database, account: Account, objects: bool
) -> None:
    bucket = await add(database, account, "mine")
    ids = await filled(database, account, bucket, images=3)
    await database.run(put_in_a_gallery, bucket, ids[0])
    await database.run(delete_bucket, account.id, "mine", force=True, objects=objects)
    found = await database.read(find_deleted, bucket.id, 2)
    assert found is not None
    assert (found[0].credentials is not None) == objects
    assert len(found[1]) == 2
    assert len(await database.read(waiting_buckets, soon(), None)) == int(objects)
    await database.run(drop_images, ids)
    await database.run(forget_credentials, bucket.id)
    assert await database.read(left_of, bucket.id) == (0, 0, 0, 0, None)
    assert await database.read(waiting_buckets, soon(), None) == []


def soon() -> datetime:
    return now() + timedelta(seconds=1)


def put_in_a_gallery(session: Session, bucket: Bucket, image_id: str) -> None:
    gallery = Gallery(account_id=bucket.account_id, bucket_id=bucket.id, name="g")
    session.add(gallery)
    session.flush()
    session.add(GalleryImage(gallery_id=gallery.id, image_id=image_id))


def left_of(session: Session, bucket_id: str) -> tuple[object, ...]:
    counts = [
        session.exec(select(func.count()).select_from(table).where(table.bucket_id == bucket_id))
        for table in (Image, Variant, Gallery)
    ]
    members = session.exec(select(func.count()).select_from(GalleryImage))
    credentials = session.get_one(Bucket, bucket_id).credentials
    return (*(count.one() for count in (*counts, members)), credentials)


async def test_images_that_live_are_not_dropped_with_a_bucket(
    database: Database, account: Account
) -> None:
    bucket = await add(database, account, "mine")
    ids = await filled(database, account, bucket)
    await database.run(drop_images, ids)
    assert (await database.read(find_image, account.id, ids[0])).variants
    assert await database.read(find_deleted, bucket.id, 10) is None


# Orders


async def test_a_full_storage_of_ours_does_not_close_a_customers(
    database: Database, account: Account, bucket_id: str
) -> None:
    await database.run(fill, account.id)
    with pytest.raises(OutOfStorage):
        await database.read(refuse_hopeless, account.id)
    bucket = await add(database, account, "mine")
    await database.read(refuse_hopeless, account.id)
    await filled(database, account, bucket)
    with pytest.raises(OutOfStorage):
        await database.run(accept_order, draft(account.id, bucket_id))
    assert (await database.read(get_account, account.id)).storage_used == 1_000_000


def fill(session: Session, account_id: str) -> None:
    every = update(Account).where(col(Account.id) == account_id)
    session.exec(every.values(storage_used=Account.storage_total))


def get_account(session: Session, account_id: str) -> Account:
    return session.get_one(Account, account_id)


async def test_an_order_whose_bucket_is_gone_all_the_same_comes_to_an_end(
    database: Database, account: Account
) -> None:
    bucket = await add(database, account, "mine")
    wanted = draft(account.id, bucket.id)
    await database.run(accept_order, wanted)
    await database.run(mark_deleted, bucket.id)
    with pytest.raises(NotFound, match="bucket was deleted"):
        await database.read(open_work, wanted.order_id)


def mark_deleted(session: Session, bucket_id: str) -> None:
    session.exec(update(Bucket).where(col(Bucket.id) == bucket_id).values(deleted_at=now()))


async def test_a_bucket_that_fails_too_many_orders_takes_no_more_until_they_end(
    sqlite: Database,
) -> None:
    account = await sqlite.run(open_account, "somebody", 1000, 1_000_000)
    bucket = await add(sqlite, account, "mine")
    waiting = [draft(account.id, bucket.id) for _ in range(LONGEST_BACKLOG)]
    for wanted in waiting:
        await sqlite.run(accept_order, wanted)
    await sqlite.run(accept_order, draft(account.id, bucket.id))  # many, but none has failed yet
    for wanted in waiting:
        await sqlite.run(count_attempt, wanted.order_id)
    with pytest.raises(BucketFailed):
        await sqlite.run(accept_order, draft(account.id, bucket.id))
    default = await sqlite.read(primary_bucket, account.id)
    await sqlite.run(accept_order, draft(account.id, default.id))
    await sqlite.run(fail_order, waiting[0].order_id, FAILURE)
    await sqlite.run(accept_order, draft(account.id, bucket.id))


def update_of(account: Account, bucket: Bucket, image_id: str) -> Order:
    order = draft(account.id, bucket.id)
    return msgspec.structs.replace(order, kind="update", image_id=image_id)


async def test_updates_of_one_image_in_a_customers_bucket_come_one_after_another(
    database: Database, account: Account
) -> None:
    bucket = await add(database, account, "mine")
    (image,) = await filled(database, account, bucket)
    first, second = (update_of(account, bucket, image) for _ in range(2))
    await database.run(accept_order, first)
    await asyncio.sleep(0.002)
    await database.run(accept_order, second)
    assert await database.read(open_work, first.order_id) is not None
    with pytest.raises(Unavailable, match="earlier"):
        await database.read(open_work, second.order_id)
    await database.run(finish_order, first.order_id, SEEN, [made("first")])
    assert await database.read(open_work, second.order_id) is not None


async def test_two_updates_of_the_same_moment_have_an_order_too(
    database: Database, account: Account
) -> None:
    bucket = await add(database, account, "mine")
    (image,) = await filled(database, account, bucket)
    updates = [update_of(account, bucket, image) for _ in range(4)]
    await asyncio.gather(*(database.run(accept_order, one) for one in updates))
    await database.run(at_one_moment)
    outcomes = await asyncio.gather(
        *(database.read(open_work, one.order_id) for one in updates), return_exceptions=True
    )
    assert sum(isinstance(one, Unavailable) for one in outcomes) == 3


def at_one_moment(session: Session) -> None:
    session.exec(update(Order).values(created_at=datetime(2026, 1, 1, tzinfo=UTC)))


async def test_updates_in_our_own_storage_need_not_wait(
    database: Database, account: Account
) -> None:
    bucket = await database.read(primary_bucket, account.id)
    (image,) = await filled(database, account, bucket)
    for one in [update_of(account, bucket, image) for _ in range(2)]:
        await database.run(accept_order, one)
        assert await database.read(open_work, one.order_id) is not None


async def test_a_dropped_key_that_is_used_again_is_not_deleted(
    database: Database, account: Account
) -> None:
    bucket = await add(database, account, "mine")
    (image,) = await filled(database, account, bucket)
    again = [as_in_a_bucket(one) for one in made("again")]
    wanted = update_of(account, bucket, image)
    await database.run(accept_order, wanted)
    dropped = ObjectsDropped(
        bucket_id=bucket.id,
        storage_keys=[again[0].storage_key, "pictures/old-100x100.gif"],
        image_id=image,
    )
    with pytest.raises(Unavailable):
        await database.read(unneeded_keys, bucket, dropped)
    await database.run(finish_order, wanted.order_id, SEEN, [again])
    assert await database.read(unneeded_keys, bucket, dropped) == ["pictures/old-100x100.gif"]


def as_in_a_bucket(one: Made) -> Made:
    return msgspec.structs.replace(one, storage_key=f"pictures/{one.object_key}")


def test_a_failed_bucket_is_named_by_its_key_in_every_process() -> None:
    for kind, code in ((BucketFailed, "bucket-failed"), (BucketRefused, "bucket-refused")):
        error = kind.of("mine")
        assert "'mine'" in error.sentence
        again = revived(error.code(), error.sentence)
        assert (type(again), again.status, again.code()) == (kind, 502, code)
