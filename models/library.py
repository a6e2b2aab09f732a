"""What an account has: its images, and what the edge may serve of them."""

from typing import NamedTuple

from sqlmodel import Session, col, delete, select, update

from models.columns import now
from models.errors import NotFound
from models.events import ImageDeleted, Purged, deletion_subject, purge_subject
from models.orders import announce
from models.records import Account, Bucket, Image, Variant


class Shelf(NamedTuple):
    """An image with everything its view needs."""

    image: Image
    bucket: Bucket
    variants: list[Variant]


def find_image(session: Session, account_id: str, image_id: str) -> Shelf:
    """One image that is ready, or NotFound: also for one of somebody else."""
    image = session.get(Image, image_id)
    if image is None or image.account_id != account_id or image.state != "ready":
        raise NotFound("There is no image with this id.")
    return Shelf(image, session.get_one(Bucket, image.bucket_id), variants_of(session, image_id))


def shelves_of(session: Session, order_id: str) -> list[Shelf]:
    """The ready images of an order, in the order asked."""
    found = select(Image).where(Image.order_id == order_id, Image.state == "ready")
    images = session.exec(found.order_by(col(Image.position))).all()
    return [find_image(session, image.account_id, image.id) for image in images]


def variants_of(session: Session, image_id: str) -> list[Variant]:
    """The variants of an image: thumbnails first, then in the order they were asked for."""
    found = select(Variant).where(Variant.image_id == image_id)
    return list(session.exec(found.order_by(col(Variant.position))))


def find_variant(session: Session, bucket_public_id: str, object_key: str) -> Variant | None:
    """The variant behind an edge URL, or None when there is none or its image is deleted."""
    return session.exec(
        select(Variant)
        .join(Bucket, col(Bucket.id) == Variant.bucket_id)
        .join(Image, col(Image.id) == Variant.image_id)
        .where(
            Bucket.public_id == bucket_public_id,
            Variant.object_key == object_key,
            Image.state == "ready",
        )
    ).first()


def bury_image(session: Session, account_id: str, image_id: str) -> None:
    """Make an image a tombstone: gone for everybody now, its objects soon. NotFound if none."""
    shelf = find_image(session, account_id, image_id)
    buried = session.exec(
        update(Image)
        .where(col(Image.id) == image_id, col(Image.state) == "ready")
        .values(state="deleted", updated_at=now())
    )
    if buried.rowcount != 1:
        raise NotFound("There is no image with this id.")
    session.exec(
        update(Account)
        .where(col(Account.id) == account_id)
        .values(storage_used=Account.storage_used - shelf.image.size)
    )
    _announce_burial(session, shelf)


def _announce_burial(session: Session, shelf: Shelf) -> None:
    public_id = shelf.bucket.public_id
    keys = [variant.object_key for variant in shelf.variants]
    announce(session, purge_subject(public_id), Purged(bucket=public_id, keys=keys))
    announce(session, deletion_subject(shelf.image.id), ImageDeleted(image_id=shelf.image.id))


def find_tombstone(session: Session, image_id: str) -> Shelf | None:
    """A deleted image whose rows still stand, or None: then there is nothing to do."""
    image = session.get(Image, image_id)
    if image is None or image.state != "deleted":
        return None
    return Shelf(image, session.get_one(Bucket, image.bucket_id), variants_of(session, image_id))


def drop_image(session: Session, image_id: str) -> None:
    """Remove the rows of a tombstone whose objects are gone; nothing when it is none."""
    if find_tombstone(session, image_id) is None:
        return
    session.exec(delete(Variant).where(col(Variant.image_id) == image_id))
    session.exec(delete(Image).where(col(Image.id) == image_id))
