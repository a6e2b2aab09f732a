"""Purging: which images' copies are to be forgotten, a bounded number at a time."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from models.errors import NotFound
from models.galleries import find_gallery
from models.keeping import announce_photo_purge, announce_purge
from models.places import derived_folder
from models.records import Bucket, GalleryImage, Image, Variant
from models.wire import Wire

AT_ONCE = 100


class Target(Wire, frozen=True):
    """What is to be purged of an account, by the first of these that is named."""

    image_id: str | None = None
    object_key: str | None = None
    gallery_id: str | None = None
    prefix: str = ""
    bucket_id: str = ""


class Doomed(NamedTuple):
    """An image's copies: their object keys, and where the derivatives of them are."""

    image_id: str
    bucket: Bucket
    prefix: str
    is_photo: bool
    keys: list[str]
    folders: list[str]


def some_doomed(session: Session, account_id: str, target: Target, after: str) -> list[Doomed]:
    """The next images after the one with this id. NotFound when the named thing is not there."""
    wanted = _wanted(session, account_id, target)
    ready = wanted.where(Image.account_id == account_id, Image.state == "ready", Image.id > after)
    images = session.exec(ready.order_by(col(Image.id)).limit(AT_ONCE)).all()
    if not images and not after and (target.image_id or target.object_key):
        raise NotFound("There is no such image.")
    return [_doomed(session, image, target) for image in images]


def _wanted(session: Session, account_id: str, target: Target) -> SelectOfScalar[Image]:
    if target.image_id:
        return select(Image).where(Image.id == target.image_id)
    if target.object_key:
        made = select(Variant.image_id).where(
            Variant.bucket_id == target.bucket_id, Variant.object_key == target.object_key
        )
        return select(Image).where(col(Image.id).in_(made))
    if target.gallery_id:
        find_gallery(session, account_id, target.gallery_id)
        members = select(GalleryImage.image_id).where(GalleryImage.gallery_id == target.gallery_id)
        return select(Image).where(col(Image.id).in_(members))
    return select(Image).where(
        Image.bucket_id == target.bucket_id,
        col(Image.prefix).startswith(target.prefix, autoescape=True),
    )


def _doomed(session: Session, image: Image, target: Target) -> Doomed:
    bucket = session.get_one(Bucket, image.bucket_id)
    made = select(Variant).where(Variant.image_id == image.id)
    if target.object_key and not target.image_id:
        made = made.where(Variant.object_key == target.object_key)
    variants = session.exec(made).all()
    one = [derived_folder(bucket.public_id, image.id, variant.sha256) for variant in variants]
    whole = [derived_folder(bucket.public_id, image.id)]
    narrow = bool(target.object_key) and not target.image_id
    keys = [variant.object_key for variant in variants]
    photo = image.photo_id is not None
    return Doomed(image.id, bucket, image.prefix, photo, keys, one if narrow else whole)


def tell_of_purge(session: Session, doomed: Sequence[Doomed]) -> None:
    """Have every edge forget these."""
    for one in doomed:
        if one.is_photo:
            announce_photo_purge(session, one.bucket, one.keys)
        else:
            announce_purge(session, one.bucket, one.prefix, one.keys)
