"""What an account has: its images, and what the edge may serve of them."""

from collections.abc import Collection, Sequence
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, bindparam, inspect
from sqlmodel import Session, col, select

from models.errors import NotFound
from models.events import Change
from models.galleries import check_galleries, galleries_of
from models.keeping import apply_change
from models.records import Bucket, Image, Order, Variant


class Home(NamedTuple):
    """What a view says of the bucket that an image is in."""

    key: str
    public_id: str
    public_url: str | None


# What views say of an image. The rest of its row is not read: each column of each row costs.
_IMAGE: Final = inspect(Image).local_table
# The galleries of an image, oldest membership first. Both databases can say so within the row, and
# only those that are in a gallery are asked for theirs.
_GROUPED: Final = sa.literal_column(
    "CASE WHEN image.gallery_count > 0 THEN (SELECT string_agg(belonging.gallery_id, ','"
    " ORDER BY belonging.added_at, belonging.gallery_id) FROM gallery_image AS belonging"
    " WHERE belonging.image_id = image.id) END",
    sa.String(),
).label("grouped")
_SEEN: Final = [
    _IMAGE.c[name]
    for name in (
        "id",
        "bucket_id",
        "photo_id",
        "prefix",
        "name",
        "description",
        "card",
        "size",
        "created_at",
        "updated_at",
    )
] + [_GROUPED]
# Written once: to put a statement together costs as much as to have it answered.
_BUCKET: Final = inspect(Bucket).local_table
_READY: Final = (
    sa.select(*_SEEN, *(_BUCKET.c[name].label(f"home_{name}") for name in Home._fields))
    .join_from(_IMAGE, _BUCKET, _BUCKET.c.id == _IMAGE.c.bucket_id)
    .where(
        _IMAGE.c.id == bindparam("image"),
        _IMAGE.c.account_id == bindparam("account"),
        _IMAGE.c.state == "ready",
    )
)


def _page(these: ColumnElement[bool], *order: ColumnElement[Any]) -> Select[Any]:
    """The index alone finds the page, only its rows are read."""
    ids = (
        sa.select(_IMAGE.c.id)
        .where(
            _IMAGE.c.account_id == bindparam("account"),
            _IMAGE.c.bucket_id == bindparam("bucket"),
            these,
        )
        .order_by(*order)
        .offset(bindparam("skipped", type_=sa.Integer))
        .limit(bindparam("most", type_=sa.Integer))
        .subquery()
    )
    return sa.select(*_SEEN).join_from(_IMAGE, ids, ids.c.id == _IMAGE.c.id).order_by(*order)


_KEYS: Final = (_IMAGE.c.created_at, _IMAGE.c.id)
_NEWEST: Final = tuple(key.desc() for key in _KEYS)
_ALL: Final = _IMAGE.c.state == "ready"
_PAGES: Final = {"first": _page(_ALL, *_NEWEST), "last": _page(_ALL, *_KEYS)}
# Word for word the index's own condition: a plan kept for bound values cannot use it.
_UNGROUPED: Final = _page(sa.literal_column("state = 'ready' AND gallery_count = 0"), *_NEWEST)


class Shelf(NamedTuple):
    """An image with everything its view needs."""

    image: Image
    bucket: Bucket
    variants: list[Variant]
    galleries: list[str]


class Shown(NamedTuple):
    """An image with what the API says of it: its card stands for its variants.

    The image may be a plain row with what views read.
    """

    image: Image
    bucket: Home
    galleries: list[str]


class Page(NamedTuple):
    """A page of a list, and how many there are in all."""

    shelves: list[Shown]
    total: int


def find_image(session: Session, account_id: str, image_id: str) -> Shelf:
    """One image that is ready, or NotFound: also for one of somebody else."""
    return put_on_shelves(session, [_ready_image(session, account_id, image_id)])[0]


def show_image(session: Session, account_id: str, image_id: str) -> Shown:
    """The same, for who only says what it is."""
    asked = {"image": image_id, "account": account_id}
    row: Any = session.connection().execute(_READY, asked).first()
    if row is None:
        raise NotFound("There is no image with this id.")
    return Shown(row, Home(row.home_key, row.home_public_id, row.home_public_url), _grouped(row))


def _shown(session: Session, found: Select[Any], **values: object) -> list[Shown]:
    """What a select of `_SEEN` finds: plain rows, which read like records and cost a third."""
    rows: Sequence[Any] = session.connection().execute(found, values).all()
    homes = {one.id: home_of(one) for one in _buckets_of(session, rows).values()}
    return [Shown(row, homes[row.bucket_id], _grouped(row)) for row in rows]


def _grouped(row: Any) -> list[str]:  # noqa: ANN401 a row of `_SEEN`
    return row.grouped.split(",") if row.grouped else []


def home_of(bucket: Bucket) -> Home:
    """The bucket as views say it."""
    return Home(bucket.key, bucket.public_id, bucket.public_url)


def _ready_image(session: Session, account_id: str, image_id: str) -> Image:
    mine = (Image.id == image_id, Image.account_id == account_id, Image.state == "ready")
    image = session.exec(select(Image).where(*mine)).first()
    if image is None:
        raise NotFound("There is no image with this id.")
    return image


def shelves_of(session: Session, order: Order) -> list[Shelf]:
    """The ready images of an order, in the order asked."""
    return put_on_shelves(session, _images_of_order(session, order))


def shown_of(session: Session, order: Order) -> list[Shown]:
    """The same, for who only says what they are."""
    session.flush()
    return _shown(session, sa.select(*_SEEN).where(*_of(order)).order_by(_IMAGE.c.position))


def _images_of_order(session: Session, order: Order) -> Sequence[Image]:
    return session.exec(select(Image).where(*_of(order)).order_by(col(Image.position))).all()


def _of(order: Order) -> tuple[ColumnElement[bool], ...]:
    column, value = ("id", order.image_id) if order.image_id else ("order_id", order.id)
    return _IMAGE.c[column] == value, _IMAGE.c.state == "ready"


def list_images(
    session: Session, bucket: Bucket, page: int, limit: int, newest: Literal["first", "last"]
) -> Page:
    """One page of a bucket's images. Pages count from 1."""
    return Page(_shown_page(session, _PAGES[newest], bucket, page, limit), bucket.image_count)


def list_ungrouped(session: Session, bucket: Bucket, page: int, limit: int) -> list[Shown]:
    """One page of a bucket's images that are in no gallery, newest first. Pages count from 1."""
    return _shown_page(session, _UNGROUPED, bucket, page, limit)


def _shown_page(
    session: Session, found: Select[Any], bucket: Bucket, page: int, limit: int
) -> list[Shown]:
    place = {"skipped": (page - 1) * limit, "most": limit}
    return _shown(session, found, account=bucket.account_id, bucket=bucket.id, **place)


def shown_in_order(session: Session, image_ids: Sequence[str]) -> list[Shown]:
    """The ready ones of these images, in this order."""
    ready = sa.select(*_SEEN).where(_IMAGE.c.id.in_(image_ids), _IMAGE.c.state == "ready")
    found = {one.image.id: one for one in _shown(session, ready)}
    return [found[image_id] for image_id in image_ids if image_id in found]


def put_on_shelves(session: Session, images: Sequence[Image]) -> list[Shelf]:
    """Images with all that belongs to them, in three queries however many they are."""
    ids = [image.id for image in images]
    variants = _variants_of(session, ids)
    belongs = galleries_of(session, ids)
    buckets = _buckets_of(session, images)
    return [
        Shelf(image, buckets[image.bucket_id], variants[image.id], belongs[image.id])
        for image in images
    ]


def _buckets_of(session: Session, images: Sequence[Image]) -> dict[str, Bucket]:
    """Each bucket once; one that the session has read is not read again."""
    return {one: session.get_one(Bucket, one) for one in {image.bucket_id for image in images}}


def _variants_of(session: Session, image_ids: Sequence[str]) -> dict[str, list[Variant]]:
    """The variants of each image, in their order."""
    session.flush()
    table = inspect(Variant).local_table
    made = table.select().where(table.c.image_id.in_(image_ids)).order_by(table.c.position)
    variants: dict[str, list[Variant]] = {image_id: [] for image_id in image_ids}
    found: list[Variant] = _rows(session, made)
    for variant in found:
        variants[variant.image_id].append(variant)
    return variants


def _rows(session: Session, found: Select[Any]) -> list[Any]:
    """Plain rows, which read like records and cost a third: a page has hundreds."""
    return list(session.connection().execute(found).all())


def find_variants(
    session: Session, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Variant, Bucket]]:
    """What is behind these edge URLs, each the public id of a bucket and an object key.

    Without those where there is nothing, or the image is deleted. An image in a folder has it
    before its object key, in its URL as well as here.
    """
    buckets = {bucket for bucket, _ in wanted}
    keys = {key.rpartition("/")[2] for _, key in wanted}
    rows = session.exec(
        select(Variant, Bucket, Image.prefix)
        .join(Bucket, col(Bucket.id) == Variant.bucket_id)
        .join(Image, col(Image.id) == Variant.image_id)
        .where(
            col(Bucket.public_id).in_(buckets),
            col(Variant.object_key).in_(keys),
            Image.state == "ready",
        )
    )
    found = {
        (bucket.public_id, prefix + variant.object_key): (variant, bucket)
        for variant, bucket, prefix in rows
    }
    return {one: found[one] for one in wanted if one in found}


def change_image(session: Session, account_id: str, image_id: str, change: Change) -> Shelf:
    """Change what is said of an image and where it belongs; its pixels stay."""
    image = _ready_image(session, account_id, image_id)
    check_galleries(session, account_id, image.bucket_id, change.galleries or [])
    apply_change(session, image, change)
    session.flush()
    return find_image(session, account_id, image_id)
