"""Deleting images: a tombstone at once, for everybody; objects and rows soon after."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, delete, func, select, update

from models.columns import now
from models.errors import NotFound
from models.events import ImageDeleted, deletion_subject
from models.failpoint import failpoint
from models.keeping import (
    announce_photo_purge,
    announce_purge,
    count_images,
    count_kept,
    count_storage,
)
from models.library import Shelf, put_on_shelves
from models.outgoing import announce
from models.records import Bucket, GalleryImage, Image, Master, Variant


class Doomed(NamedTuple):
    """What is left to be told of an image that is deleted now."""

    id: str
    bucket_id: str
    prefix: str
    size: int
    photo_id: str | None


def bury_image(session: Session, account_id: str, image_id: str) -> None:
    """Make an image a tombstone: gone for everybody now, its objects soon. NotFound if none."""
    if not bury_images(session, account_id, [image_id]):
        raise NotFound("There is no image with this id.")


def bury_images(session: Session, account_id: str, image_ids: Sequence[str]) -> int:
    """Make images of an account tombstones; how many of them were none yet."""
    doomed = _lock_ready(session, account_id, image_ids)
    if doomed:
        count_kept(session, account_id, -_kept_size(session, doomed))
        _mark(session, [image.id for image in doomed])
        _tell_of_burial(session, doomed)
    failpoint("D1.before_commit")
    return len(doomed)


def _lock_ready(session: Session, account_id: str, image_ids: Sequence[str]) -> list[Doomed]:
    fields = (Image.id, Image.bucket_id, Image.prefix, Image.size, Image.photo_id)
    ready = select(*fields).where(  # type: ignore[call-overload]  # SQLModel types four at most
        col(Image.id).in_(image_ids), Image.account_id == account_id, Image.state == "ready"
    )
    locked = session.exec(ready.order_by(col(Image.id)).with_for_update())
    return [Doomed(*image) for image in locked]


def _kept_size(session: Session, doomed: Sequence[Doomed]) -> int:
    ids = [image.id for image in doomed]
    kept = select(func.sum(col(Image.kept_size))).where(col(Image.id).in_(ids))
    return int(session.exec(kept).one() or 0)


def _mark(session: Session, image_ids: Sequence[str]) -> None:
    session.exec(
        update(Image)
        .where(col(Image.id).in_(image_ids))
        .values(state="deleted", gallery_count=0, updated_at=now())
    )
    session.exec(delete(GalleryImage).where(col(GalleryImage.image_id).in_(image_ids)))


def _tell_of_burial(session: Session, doomed: Sequence[Doomed]) -> None:
    """Every edge forgets them, the pipeline clears them away, and nobody counts them any more."""
    keys = _keys_of(session, [image.id for image in doomed])
    for bucket_id in dict.fromkeys(image.bucket_id for image in doomed):
        bucket = session.get_one(Bucket, bucket_id)
        here = [image for image in doomed if image.bucket_id == bucket_id]
        for image in here:
            if image.photo_id:
                announce_photo_purge(session, bucket, keys[image.id])
            else:
                announce_purge(session, bucket, image.prefix, keys[image.id])
            announce(session, deletion_subject(image.id), ImageDeleted(image_id=image.id))
        count_storage(session, bucket, -sum(image.size for image in here))
        count_images(session, bucket_id, -len(here))


def _keys_of(session: Session, image_ids: Sequence[str]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    made = select(Variant.image_id, Variant.object_key).where(col(Variant.image_id).in_(image_ids))
    for image_id, key in session.exec(made.order_by(col(Variant.position))):
        keys[image_id].append(key)
    return keys


def find_tombstone(session: Session, image_id: str) -> Shelf | None:
    """A deleted image whose rows still stand, or None: then there is nothing to do."""
    image = session.get(Image, image_id)
    if image is None or image.state != "deleted":
        return None
    return put_on_shelves(session, [image])[0]


def drop_image(session: Session, image_id: str) -> None:
    """Remove the rows of a tombstone whose objects are gone; nothing when it is none."""
    if find_tombstone(session, image_id) is None:
        return
    session.exec(delete(Variant).where(col(Variant.image_id) == image_id))
    session.exec(delete(Master).where(col(Master.image_id) == image_id))
    session.exec(delete(Image).where(col(Image.id) == image_id))
