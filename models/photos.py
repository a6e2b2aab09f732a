"""Photos: images that were uploaded as they are, with a short id of their own."""

import secrets
import string
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlmodel import Session, col, select, text

from models.burial import bury_image
from models.columns import storable
from models.errors import Gone, NotFound
from models.library import find_variants
from models.records import Bucket, Image, Photo, Variant

_SIGNS = string.ascii_letters + string.digits
_LENGTH = 8
_JPEG_SPELLINGS = ("jpeg", "jpg")


class Shot(NamedTuple):
    """A photo with everything its view needs; no variant until it is ready."""

    photo: Photo
    image: Image
    variant: Variant | None


def give_photo(session: Session, account_id: str, alt_text: str | None) -> str:
    """A new photo's id, which was never given before."""
    while session.get(Photo, photo_id := _random_id()):
        pass
    session.add(Photo(id=photo_id, account_id=account_id, alt_text=alt_text))
    session.flush()
    return photo_id


def _random_id() -> str:
    return "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))


def take_photo_back(session: Session, image: Image) -> None:
    """Forget the id of a photo that never came to be."""
    if image.photo_id:
        session.flush()
        session.delete(session.get_one(Photo, image.photo_id))


def photo_key(image: Image, extension: str) -> str:
    """A photo's path at the edge. `jpeg` and `jpg` stay as the sender spells them."""
    spelled = image.original.name.rpartition(".")[2].lower()
    if {spelled, extension} <= set(_JPEG_SPELLINGS):
        extension = spelled
    return f"{image.photo_id}.{extension}"


def list_photos(session: Session, account_id: str, page: int, limit: int) -> list[Shot]:
    """One page of an account's photos, newest first. Pages count from 1."""
    order: tuple[Any, ...] = (col(Image.created_at).desc(), col(Image.id).desc())
    ids = (
        select(Image.id)
        # Word for word the index's own condition: a plan kept for bound values cannot use it.
        .where(Image.account_id == account_id, text("state = 'ready' AND photo_id IS NOT NULL"))
        .order_by(*order)
        .offset((page - 1) * limit)
        .limit(limit)
        .subquery()
    )
    found = (
        select(Photo, Image, Variant)
        .join(Image, col(Image.photo_id) == Photo.id)
        .join(Variant, col(Variant.image_id) == Image.id)
        .join(ids, ids.c.id == Image.id)
    )
    return [Shot(*row) for row in session.exec(found.order_by(*order))]


def photo_of_order(session: Session, order_id: str) -> Shot:
    """The photo that an order makes, or NotFound when it is deleted already."""
    found = (
        select(Photo, Image, Variant)
        .join(Image, col(Image.photo_id) == Photo.id)
        .join(Variant, col(Variant.image_id) == Image.id, isouter=True)
        .where(Image.order_id == order_id)
    )
    row = session.exec(found).first()
    if row is None:
        raise NotFound("The photo was deleted.")
    return Shot(*row)


def bury_photo(session: Session, account_id: str, photo_id: str) -> None:
    """Delete a photo, and with it the image that it is. NotFound, or Gone when it was deleted."""
    photo = session.get(Photo, photo_id)
    if photo is None or photo.account_id != account_id:
        raise NotFound("There is no photo with this id.")
    image = session.exec(select(Image).where(Image.photo_id == photo_id)).first()
    if image is not None and image.state == "pending":
        raise NotFound("This photo is not ready yet.")
    if image is None or image.state != "ready":
        raise Gone("This photo was deleted.")
    bury_image(session, account_id, image.id)


def find_objects(
    session: Session, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Variant, Bucket] | Gone]:
    """What is behind edge URLs: an image's variant, or where there is no bucket a photo.

    Without those where there is nothing; Gone where a photo was.
    """
    found: dict[tuple[str, str], tuple[Variant, Bucket] | Gone] = {}
    found |= find_variants(session, [one for one in wanted if one[0]])
    for one in (one for one in wanted if not one[0]):
        if photo := _find_photo(session, one[1]):
            found[one] = photo
    return found


def find_object(session: Session, bucket: str, key: str) -> tuple[Variant, Bucket] | Gone | None:
    """The same for one of them; None when there is nothing."""
    return find_objects(session, [(bucket, key)]).get((bucket, key))


def has_photo(session: Session, account_id: str, key: str) -> bool:
    """Whether this is the path of a photo of this account, deleted or not."""
    photo = session.get(Photo, key.partition(".")[0]) if storable(key) else None
    return photo is not None and photo.account_id == account_id


def _find_photo(session: Session, key: str) -> tuple[Variant, Bucket] | Gone | None:
    photo_id = key.partition(".")[0]
    found = session.exec(
        select(Variant, Bucket)
        .join(Bucket, col(Bucket.id) == Variant.bucket_id)
        .join(Image, col(Image.id) == Variant.image_id)
        .where(Image.photo_id == photo_id, Variant.object_key == key, Image.state == "ready")
    ).first()
    if found is None and _was_deleted(session, photo_id):
        return Gone()
    return found


def _was_deleted(session: Session, photo_id: str) -> bool:
    if session.get(Photo, photo_id) is None:
        return False
    states = select(Image.state).where(Image.photo_id == photo_id)
    return session.exec(states).first() in (None, "deleted")
