"""Deleting images: a tombstone at once, for everybody; objects and rows soon after."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, delete

from models.cards import Card
from models.columns import now
from models.errors import NotFound
from models.events import ImageDeleted, deletion_subject
from models.failpoint import failpoint
from models.keeping import (
    announce_photo_purge,
    announce_purge,
    count_images,
    count_storage,
)
from models.library import Shelf, put_on_shelves
from models.outgoing import announce
from models.records import BLINDLY, Bucket, GalleryImage, Image, Master, Variant


class Doomed(NamedTuple):
    """What is left to be told of an image that is deleted now."""

    bucket: Bucket
    id: str
    prefix: str
    size: int
    kept_size: int
    gallery_count: int
    photo_id: str | None
    card: Card

    @property
    def keys(self) -> list[str]:
        """The object keys of its files."""
        return [file.object_key for file in self.card.metadata if file.object_key]


_LOCKED: Final = (
    sa.select(Bucket, *(col(getattr(Image, name)) for name in Doomed._fields[1:]))
    .join_from(Image, Bucket, col(Bucket.id) == Image.bucket_id)
    .where(
        col(Image.id).in_(sa.bindparam("images", expanding=True)),
        col(Image.account_id) == sa.bindparam("account"),
        col(Image.state) == "ready",
    )
    .order_by(col(Image.id))
    .with_for_update(of=Image)
)
_MARKED: Final = (
    sa.update(Image)
    .where(col(Image.id).in_(sa.bindparam("images", expanding=True)))
    .values(state="deleted", gallery_count=0, updated_at=sa.bindparam("moment"))
)


def bury_image(session: Session, account_id: str, image_id: str) -> None:
    """Make an image a tombstone: gone for everybody now, its objects soon. NotFound if none."""
    if not bury_images(session, account_id, [image_id]):
        raise NotFound("There is no image with this id.")


def bury_images(session: Session, account_id: str, image_ids: Sequence[str]) -> int:
    """Make images of an account tombstones; how many of them were none yet."""
    found = session.execute(_LOCKED, {"images": image_ids, "account": account_id})
    doomed = [Doomed(*image) for image in found]
    if doomed:
        _mark(session, doomed)
        _tell_of_burial(session, doomed)
    failpoint("D1.before_commit")
    return len(doomed)


def _mark(session: Session, doomed: Sequence[Doomed]) -> None:
    images = [image.id for image in doomed]
    session.connection().execute(_MARKED, {"images": images, "moment": now()})
    grouped = [image.id for image in doomed if image.gallery_count]
    if grouped:
        belonging = col(GalleryImage.image_id).in_(grouped)
        session.exec(delete(GalleryImage).where(belonging), execution_options=BLINDLY)


def _tell_of_burial(session: Session, doomed: Sequence[Doomed]) -> None:
    """Every edge forgets them, the pipeline clears them away, and nobody counts them any more."""
    for bucket in {image.bucket.id: image.bucket for image in doomed}.values():
        here = [image for image in doomed if image.bucket is bucket]
        for image in here:
            _tell_of_one(session, image)
        sizes, kept = sum(image.size for image in here), sum(image.kept_size for image in here)
        count_storage(session, bucket, -sizes, -kept)
        count_images(session, bucket.id, -len(here))


def _tell_of_one(session: Session, image: Doomed) -> None:
    if image.photo_id:
        announce_photo_purge(session, image.bucket, image.keys)
    else:
        announce_purge(session, image.bucket, image.prefix, image.keys)
    announce(session, deletion_subject(image.id), ImageDeleted(image_id=image.id))


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
