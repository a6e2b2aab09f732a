"""What an account has: its images, and what the edge may serve of them."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, inspect
from sqlmodel import Session, col, select, text
from sqlmodel.sql.expression import SelectOfScalar

from models.errors import NotFound
from models.events import Change
from models.galleries import check_galleries, galleries_of
from models.keeping import apply_change
from models.records import Bucket, Image, Order, Variant


class Shelf(NamedTuple):
    """An image with everything its view needs."""

    image: Image
    bucket: Bucket
    variants: list[Variant]
    galleries: list[str]


class Shown(NamedTuple):
    """An image with what the API says of it: its card stands for its variants."""

    image: Image
    bucket: Bucket
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
    image = _ready_image(session, account_id, image_id)
    return _shown(session, [image])[0]


def _shown(session: Session, images: Sequence[Image]) -> list[Shown]:
    """Images with their buckets; only those that are in a gallery are asked for theirs."""
    grouped = [image.id for image in images if image.gallery_count]
    belongs = galleries_of(session, grouped) if grouped else {}
    buckets = _buckets_of(session, images)
    return [Shown(image, buckets[image.bucket_id], belongs.get(image.id, [])) for image in images]


def _ready_image(session: Session, account_id: str, image_id: str) -> Image:
    """Its bucket comes along, which every view needs."""
    both = select(Image, Bucket).join(Bucket, col(Bucket.id) == Image.bucket_id)
    mine = (Image.id == image_id, Image.account_id == account_id, Image.state == "ready")
    found = session.exec(both.where(*mine)).first()
    if found is None:
        raise NotFound("There is no image with this id.")
    return found[0]


def shelves_of(session: Session, order: Order) -> list[Shelf]:
    """The ready images of an order, in the order asked."""
    this = Image.id == order.image_id if order.image_id else Image.order_id == order.id
    found = select(Image).where(this, Image.state == "ready").order_by(col(Image.position))
    return put_on_shelves(session, session.exec(found).all())


def list_images(
    session: Session, bucket: Bucket, page: int, limit: int, newest: Literal["first", "last"]
) -> Page:
    """One page of a bucket's images. Pages count from 1."""
    keys: tuple[Any, ...] = (col(Image.created_at), col(Image.id))
    order: list[ColumnElement[Any]] = (
        [key.desc() for key in keys] if newest == "first" else list(keys)
    )
    ready = (
        Image.account_id == bucket.account_id,
        Image.bucket_id == bucket.id,
        Image.state == "ready",
    )
    ids = select(Image.id).where(*ready).order_by(*order).offset((page - 1) * limit).limit(limit)
    return Page(_shown(session, _images_of(session, ids, order)), bucket.image_count)


def _images_of(
    session: Session, ids: SelectOfScalar[str], order: Sequence[ColumnElement[Any]]
) -> list[Image]:
    """The images of a page, in its order: the index alone finds it, only its rows are read."""
    page = ids.subquery()
    table = inspect(Image).local_table
    found = table.select().join(page, page.c.id == table.c.id).order_by(*order)
    return _rows(session, found)


def list_ungrouped(session: Session, bucket: Bucket, page: int, limit: int) -> list[Shown]:
    """One page of a bucket's images that are in no gallery, newest first. Pages count from 1."""
    order: list[ColumnElement[Any]] = [col(Image.created_at).desc(), col(Image.id).desc()]
    ids = (
        select(Image.id)
        .where(Image.account_id == bucket.account_id, Image.bucket_id == bucket.id)
        # Word for word the index's own condition: a plan kept for bound values cannot use it.
        .where(text("state = 'ready' AND gallery_count = 0"))
        .order_by(*order)
        .offset((page - 1) * limit)
        .limit(limit)
    )
    return _shown(session, _images_of(session, ids, order))


def shown_in_order(session: Session, image_ids: Sequence[str]) -> list[Shown]:
    """The ready ones of these images, in this order."""
    ready = select(Image).where(col(Image.id).in_(image_ids), Image.state == "ready")
    found = {image.id: image for image in session.exec(ready)}
    images = [found[image_id] for image_id in image_ids if image_id in found]
    return _shown(session, images)


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


def find_variant(
    session: Session, bucket_public_id: str, object_key: str
) -> tuple[Variant, Bucket] | None:
    """What is behind an edge URL, or None when there is nothing or its image is deleted.

    An image in a folder has it before its object key, in its URL as well as here.
    """
    prefix, slash, key = object_key.rpartition("/")
    return session.exec(
        select(Variant, Bucket)
        .join(Bucket, col(Bucket.id) == Variant.bucket_id)
        .join(Image, col(Image.id) == Variant.image_id)
        .where(
            Bucket.public_id == bucket_public_id,
            Variant.object_key == key,
            Image.prefix == prefix + slash,
            Image.state == "ready",
        )
    ).first()


def change_image(session: Session, account_id: str, image_id: str, change: Change) -> Shelf:
    """Change what is said of an image and where it belongs; its pixels stay."""
    image = _ready_image(session, account_id, image_id)
    check_galleries(session, account_id, image.bucket_id, change.galleries or [])
    apply_change(session, image, change)
    session.flush()
    return find_image(session, account_id, image_id)
