"""Galleries: what is in them, who may see it, and how they go away."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlmodel import Session, col, func, select

from models.accounts import open_account, primary_bucket
from models.burial import bury_image
from models.clearing import bury_some, end_gallery, free_some
from models.database import Database
from models.errors import InvalidFields, NotFound
from models.events import Change
from models.galleries import (
    change_gallery,
    find_gallery,
    find_public_gallery,
    list_galleries,
    make_gallery,
    members_after,
    members_on_page,
)
from models.library import change_image, list_ungrouped, shelves_of
from models.orders import accept_order, find_order, finish_order
from models.records import Account, Bucket, GalleryImage, Image, new_id
from tests.samples import SEEN, draft, made


def upload(session: Session, bucket: Bucket) -> str:
    """An image that is ready."""
    wanted = draft(bucket.account_id, bucket.id, cost=0)
    accept_order(session, wanted)
    finish_order(session, wanted.order_id, SEEN, [made(wanted.order_id)])
    order = find_order(session, wanted.order_id)
    assert order is not None
    return shelves_of(session, order)[0].image.id


def uploads(session: Session, bucket: Bucket, number: int) -> list[str]:
    return [upload(session, bucket) for _ in range(number)]


def gather(
    session: Session, bucket: Bucket, images: Sequence[str] = (), *, is_public: bool = False
) -> str:
    return make_gallery(session, bucket, "Summer", images, is_public=is_public).gallery.id


def members(session: Session, gallery_id: str) -> list[str]:
    return [member.image_id for member in members_after(session, gallery_id, None, 1000)]


def ungrouped(session: Session, bucket: Bucket) -> set[str]:
    return {shelf.image.id for shelf in list_ungrouped(session, bucket, 1, 200)}


def counts_are_right(session: Session) -> bool:
    """Every image says in how many galleries it is, and only ready ones are in any."""
    belongs = select(GalleryImage.image_id, func.count()).group_by(col(GalleryImage.image_id))
    counted = dict(session.exec(belongs).all())
    images = session.exec(select(Image)).all()
    assert {image.id: image.gallery_count for image in images} == {
        image.id: counted.get(image.id, 0) for image in images
    }
    ready = {image.id for image in images if image.state == "ready"}
    assert counted.keys() <= ready
    return True


async def clear(database: Database, account_id: str, gallery_id: str, *, bury: bool) -> None:
    """What the API does, transaction by transaction."""
    while not await database.run(end_gallery, account_id, gallery_id):
        await database.run(bury_some if bury else free_some, account_id, gallery_id)


@pytest.fixture
async def bucket(database: Database, account: Account) -> Bucket:
    return await database.read(primary_bucket, account.id)


@pytest.fixture
async def strange_bucket(database: Database) -> Bucket:
    other = await database.run(open_account, "other", 100, 1_000_000)
    return await database.read(primary_bucket, other.id)


async def test_a_gallery_keeps_its_images_in_the_order_asked_each_once(
    database: Database, bucket: Bucket
) -> None:
    one, two, three = await database.run(uploads, bucket, 3)
    gallery = await database.run(gather, bucket, [three, one, three, two])
    assert await database.read(members, gallery) == [three, one, two]
    assert await database.read(ungrouped, bucket) == set()
    assert await database.read(counts_are_right)


async def test_every_image_that_cannot_be_put_in_is_named_by_its_place(
    database: Database, bucket: Bucket, strange_bucket: Bucket
) -> None:
    mine = await database.run(upload, bucket)
    strange = await database.run(upload, strange_bucket)
    gone = await database.run(upload, bucket)
    await database.run(bury_image, bucket.account_id, gone)
    with pytest.raises(InvalidFields) as refused:
        await database.run(gather, bucket, [mine, strange, gone, new_id(), "\0"])
    assert [problem.field for problem in refused.value.problems] == [
        f"imageIds[{place}]" for place in (1, 2, 3, 4)
    ]
    assert await database.read(list_galleries, bucket.account_id) == []
    assert await database.read(counts_are_right)


async def test_a_gallery_of_somebody_else_cannot_be_seen_changed_or_cleared(
    database: Database, bucket: Bucket, strange_bucket: Bucket
) -> None:
    stranger = strange_bucket.account_id
    image = await database.run(upload, bucket)
    gallery = await database.run(gather, bucket, [image], is_public=True)
    rename = partial(change_gallery, gallery_id=gallery, name="Mine", is_public=None)
    for work in (find_gallery, free_some, bury_some, end_gallery):
        with pytest.raises(NotFound):
            await database.run(work, stranger, gallery)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await database.run(lambda session: rename(session, account_id=stranger))
    assert await database.read(list_galleries, stranger) == []
    assert await database.read(members, gallery) == [image]


async def test_strangers_see_public_galleries_and_cannot_tell_private_from_none(
    database: Database, bucket: Bucket
) -> None:
    shown = await database.run(partial(gather, is_public=True), bucket)
    hidden = await database.run(gather, bucket)
    assert (await database.read(find_public_gallery, shown)).gallery.id == shown
    sentences = set()
    for gallery in (hidden, new_id(), "", "\0", "x" * 5000):
        with pytest.raises(NotFound) as missing:
            await database.read(find_public_gallery, gallery)
        sentences.add(str(missing.value))
    assert len(sentences) == 1


async def test_a_change_touches_only_what_it_names(database: Database, bucket: Bucket) -> None:
    gallery = await database.run(gather, bucket)
    which = {"account_id": bucket.account_id, "gallery_id": gallery}
    shown = await database.run(partial(change_gallery, name=None, is_public=True, **which))
    assert (shown.gallery.name, shown.gallery.is_public) == ("Summer", True)
    named = await database.run(partial(change_gallery, name="Winter", is_public=None, **which))
    assert (named.gallery.name, named.gallery.is_public) == ("Winter", True)
    assert named.gallery.updated_at is not None


@pytest.mark.parametrize("bury", [False, True])
async def test_a_clearing_that_was_interrupted_leaves_all_right_and_goes_on(
    database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, bury: bool
) -> None:
    monkeypatch.setattr("models.clearing.FREED_AT_ONCE", 2)
    monkeypatch.setattr("models.clearing.BURIED_AT_ONCE", 2)
    images = await database.run(uploads, bucket, 5)
    other = await database.run(gather, bucket, images[:2])
    gallery = await database.run(gather, bucket, images)
    which = (bucket.account_id, gallery)
    assert not await database.run(end_gallery, *which)
    assert await database.run(bury_some if bury else free_some, *which) == 2
    assert len(await database.read(members, gallery)) == 3
    assert await database.read(counts_are_right)
    await clear(database, *which, bury=bury)
    with pytest.raises(NotFound):
        await database.read(find_gallery, *which)
    assert await database.read(counts_are_right)
    left = await database.read(members, other)
    assert left == ([] if bury else images[:2])
    assert await database.read(ungrouped, bucket) == (set() if bury else set(images[2:]))
    account = await database.read(lambda session: session.get_one(Account, bucket.account_id))
    assert account.storage_used == (0 if bury else 5000)


async def test_an_upload_whose_gallery_was_deleted_meanwhile_ends_well_in_none(
    database: Database, bucket: Bucket
) -> None:
    gone, kept = await database.run(gather, bucket), await database.run(gather, bucket)
    wanted = msgspec.structs.replace(
        draft(bucket.account_id, bucket.id), change=Change(galleries=[gone, kept])
    )
    await database.run(accept_order, wanted)
    await clear(database, bucket.account_id, gone, bury=False)
    await database.run(finish_order, wanted.order_id, SEEN, [made("a")])
    assert len(await database.read(members, kept)) == 1
    assert await database.read(counts_are_right)


async def test_pages_and_steps_go_through_a_gallery_without_gap_or_repetition(
    database: Database, bucket: Bucket
) -> None:
    images = await database.run(uploads, bucket, 5)
    gallery = await database.run(gather, bucket, images)
    pages = [await database.read(members_on_page, gallery, page, 2) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert [member.image_id for page in pages for member in page[:2]] == images
    walked, last = [], None
    while step := await database.read(members_after, gallery, last, 2):
        walked += [member.image_id for member in step]
        last = step[-1]
    assert walked == images


async def plans(database: Database, work: Callable[[Session], object]) -> str:
    """How the database carries out the queries of `work`."""

    def explained(session: Session) -> str:
        connection = session.connection()
        postgres = connection.dialect.name == "postgresql"
        if postgres:  # a table of three rows is read whole, whatever indexes it has
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        seen: list[tuple[str, Any]] = []

        def note(*args: Any) -> None:
            seen.append((args[2], args[3]))

        event.listen(connection, "before_cursor_execute", note)
        work(session)
        event.remove(connection, "before_cursor_execute", note)
        explain = "EXPLAIN " if postgres else "EXPLAIN QUERY PLAN "
        rows = [connection.exec_driver_sql(explain + sql, given).all() for sql, given in seen]
        return str(rows)

    return await database.read(explained)


async def test_images_in_no_gallery_are_found_by_their_index(
    database: Database, bucket: Bucket
) -> None:
    one, two, _ = await database.run(uploads, bucket, 3)
    await database.run(gather, bucket, [one, two])
    plan = await plans(database, lambda session: list_ungrouped(session, bucket, 1, 200))
    assert "ix_image_ungrouped" in plan
    assert "TEMP B-TREE" not in plan.partition("ix_image_ungrouped")[0]


async def test_a_page_of_a_gallery_is_found_by_its_index(
    database: Database, bucket: Bucket
) -> None:
    gallery = await database.run(gather, bucket, await database.run(uploads, bucket, 3))
    plan = await plans(database, lambda session: members_on_page(session, gallery, 2, 1))
    assert "ix_gallery_image_order" in plan
    assert "TEMP B-TREE" not in plan


async def test_many_changes_at_once_leave_the_counts_right(
    database: Database, bucket: Bucket
) -> None:
    account_id = bucket.account_id
    images = await database.run(uploads, bucket, 6)
    galleries = [await database.run(gather, bucket, images[n:]) for n in range(4)]

    async def regroup(number: int) -> None:
        chosen = [galleries[number % 4], galleries[(number + 1) % 4]]
        await database.run(change_image, account_id, images[number % 6], Change(galleries=chosen))

    async def gather_again(number: int) -> None:
        await database.run(gather, bucket, [images[number % 6], images[(number + 3) % 6]])

    changes = [work(n) for n in range(12) for work in (regroup, gather_again)]
    changes += [
        clear(database, account_id, galleries[0], bury=False),
        clear(database, account_id, galleries[0], bury=False),
        clear(database, account_id, galleries[1], bury=True),
        database.run(bury_image, account_id, images[0]),
    ]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    wrong = [one for one in outcomes if isinstance(one, BaseException)]
    assert all(isinstance(one, NotFound | InvalidFields) for one in wrong), wrong
    assert await database.read(counts_are_right)
    standing = await database.read(list_galleries, account_id)
    assert not {galleries[0], galleries[1]} & {placed.gallery.id for placed in standing}


# --- Anything that two accounts may do, in any order, against a model of sets ---


class Side:
    """An account, and what it should have: the galleries of each image."""

    def __init__(self, session: Session) -> None:
        account = open_account(session, new_id(), 0, 1_000_000)
        self.account_id = account.id
        self.bucket = primary_bucket(session, account.id)
        self.images: dict[str, set[str]] = {}
        self.galleries: list[str] = []
        for _ in range(3):
            uploading(session, self, self, [])
        gathering(session, self, self, [0, 1])
        gathering(session, self, self, [1, 2])


def picked(numbers: Sequence[int], ids: Sequence[str]) -> list[str]:
    return [ids[number % len(ids)] for number in numbers] if ids else []


def uploading(session: Session, side: Side, _other: Side, _numbers: list[int]) -> None:
    side.images[upload(session, side.bucket)] = set()


def gathering(session: Session, side: Side, _other: Side, numbers: list[int]) -> None:
    images = picked(numbers, list(side.images))
    gallery = gather(session, side.bucket, images)
    side.galleries.append(gallery)
    for image in images:
        side.images[image].add(gallery)


def regrouping(session: Session, side: Side, _other: Side, numbers: list[int]) -> None:
    for image in picked(numbers[:1], list(side.images)):
        galleries = picked(numbers[1:], side.galleries)
        change_image(session, side.account_id, image, Change(galleries=galleries))
        side.images[image] = set(galleries)


def burying(session: Session, side: Side, _other: Side, numbers: list[int]) -> None:
    for image in picked(numbers[:1], list(side.images)):
        bury_image(session, side.account_id, image)
        del side.images[image]


def freeing(session: Session, side: Side, _other: Side, numbers: list[int]) -> None:
    for gallery in picked(numbers[:1], side.galleries):
        free_some(session, side.account_id, gallery)
        assert end_gallery(session, side.account_id, gallery)
        side.galleries.remove(gallery)
        for galleries in side.images.values():
            galleries.discard(gallery)


def clearing(session: Session, side: Side, _other: Side, numbers: list[int]) -> None:
    for gallery in picked(numbers[:1], side.galleries):
        bury_some(session, side.account_id, gallery)
        assert end_gallery(session, side.account_id, gallery)
        side.galleries.remove(gallery)
        side.images = {one: g for one, g in side.images.items() if gallery not in g}


def stealing(session: Session, side: Side, other: Side, numbers: list[int]) -> None:
    for image in picked(numbers[:1], list(other.images)):
        with pytest.raises(InvalidFields):
            gather(session, side.bucket, [*side.images, image])
    for gallery in picked(numbers[:1], other.galleries):
        for image in picked(numbers[1:], list(side.images)):
            with pytest.raises(InvalidFields):
                change_image(session, side.account_id, image, Change(galleries=[gallery]))


KINDS = (uploading, gathering, regrouping, burying, freeing, clearing, stealing)
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 1), st.lists(st.integers(0, 4), max_size=3)),
    min_size=1,
    max_size=12,
)


def seen(session: Session, side: Side) -> dict[str, set[str]]:
    """The galleries of each of an account's images, once every count and list agrees on them."""
    mine = select(Image.id).where(Image.account_id == side.account_id, Image.state == "ready")
    belongs: dict[str, set[str]] = {image: set() for image in session.exec(mine)}
    for placed in list_galleries(session, side.account_id):
        for image in members(session, placed.gallery.id):
            belongs[image].add(placed.gallery.id)
    assert ungrouped(session, side.bucket) == {one for one, g in belongs.items() if not g}
    assert session.get_one(Bucket, side.bucket.id).image_count == len(belongs)
    assert session.get_one(Account, side.account_id).storage_used == 1000 * len(belongs)
    return belongs


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_two_accounts_do_each_has_what_it_did(
    sqlite: Database, steps: list[tuple[Callable[..., None], int, list[int]]]
) -> None:
    with Session(sqlite.engine, expire_on_commit=False) as session:
        sides = Side(session), Side(session)
        for step, who, numbers in steps:
            step(session, sides[who], sides[1 - who], numbers)
            session.flush()
            session.expire_all()
            assert counts_are_right(session)
            for side in sides:
                assert seen(session, side) == side.images
                galleries = list_galleries(session, side.account_id)
                assert {placed.gallery.id for placed in galleries} == set(side.galleries)
        session.rollback()
