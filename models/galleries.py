"""Galleries: which images belong together, and who may look at them.

Locks are taken images first, then one gallery, so that changes at the same time wait for each other
and never in a circle. SQLite has one writer and ignores them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, bindparam
from sqlmodel import Session, col, delete, func, insert, select, tuple_, update
from sqlmodel.sql.expression import Select

from models.columns import now, storable
from models.errors import InvalidFields, NotFound, Problem
from models.records import BLINDLY, Bucket, Gallery, GalleryImage, Image

MOST_IMAGES_AT_ONCE = 10_000
_BELONGING: Final = (  # written once: every page asks it
    select(col(GalleryImage.image_id), col(GalleryImage.gallery_id))
    .where(col(GalleryImage.image_id).in_(bindparam("images", expanding=True)))
    .order_by(col(GalleryImage.added_at))
)
_CHUNK = 500  # ids in one statement; both databases limit how many there may be


class Placed(NamedTuple):
    """A gallery, and the bucket that its images are in."""

    gallery: Gallery
    bucket: Bucket


class Member(NamedTuple):
    """An image's place in a gallery's order: by when it was added."""

    added_at: datetime
    image_id: str


def make_gallery(
    session: Session, bucket: Bucket, name: str, image_ids: Sequence[str], *, is_public: bool
) -> Placed:
    """A new gallery of these images, in this order. InvalidFields names one that is not there."""
    wanted = list(dict.fromkeys(image_ids))
    _lock_images(session, bucket, wanted)
    gallery = Gallery(
        account_id=bucket.account_id, bucket_id=bucket.id, name=name, is_public=is_public
    )
    session.add(gallery)
    session.flush()
    _add_images(session, gallery, wanted)
    return Placed(gallery, bucket)


def _lock_images(session: Session, bucket: Bucket, image_ids: Sequence[str]) -> None:
    """Keep others from deleting these images; InvalidFields unless all are ready in the bucket."""
    known: set[str] = set()
    for chunk in _chunks(sorted(filter(storable, image_ids))):
        found = select(Image.id).where(
            col(Image.id).in_(chunk),
            Image.account_id == bucket.account_id,
            Image.bucket_id == bucket.id,
            Image.state == "ready",
        )
        known |= set(session.exec(found.order_by(col(Image.id)).with_for_update()))
    problems = [
        Problem(field=f"imageIds[{place}]", problem="there is no such image in this bucket")
        for place, image_id in enumerate(image_ids)
        if image_id not in known
    ]
    if problems:
        raise InvalidFields(problems)


def _add_images(session: Session, gallery: Gallery, image_ids: Sequence[str]) -> None:
    """Added a microsecond apart, which keeps them in the order asked."""
    rows = [
        {
            "gallery_id": gallery.id,
            "image_id": image_id,
            "added_at": gallery.created_at + timedelta(microseconds=place),
        }
        for place, image_id in enumerate(image_ids)
    ]
    if rows:
        session.execute(insert(GalleryImage), rows)
        count_galleries(session, image_ids)


def find_gallery(session: Session, account_id: str, gallery_id: str) -> Placed:
    """A gallery of this account, or NotFound: also for one of somebody else."""
    return _placed(session, gallery_id, col(Gallery.account_id) == account_id)


def find_public_gallery(session: Session, gallery_id: str) -> Placed:
    """A gallery that anybody may look at, or NotFound: also for a private one."""
    return _placed(session, gallery_id, col(Gallery.is_public).is_(True))


def _placed(session: Session, gallery_id: str, condition: ColumnElement[bool]) -> Placed:
    found = session.exec(
        select(Gallery, Bucket)
        .join(Bucket, col(Bucket.id) == Gallery.bucket_id)
        .where(col(Gallery.id).in_(list(filter(storable, [gallery_id]))), condition)
    ).first()
    if found is None:
        raise NotFound("There is no gallery with this id.")
    return Placed(*found)


def list_galleries(session: Session, account_id: str) -> list[Placed]:
    """Every gallery of an account, newest first."""
    found = (
        select(Gallery, Bucket)
        .join(Bucket, col(Bucket.id) == Gallery.bucket_id)
        .where(Gallery.account_id == account_id)
        .order_by(col(Gallery.created_at).desc(), col(Gallery.id).desc())
    )
    return [Placed(gallery, bucket) for gallery, bucket in session.exec(found)]


def change_gallery(
    session: Session, account_id: str, gallery_id: str, *, name: str | None, is_public: bool | None
) -> Placed:
    """Rename, show or hide a gallery; None leaves as it is."""
    placed = find_gallery(session, account_id, gallery_id)
    given = {"name": name, "is_public": is_public}
    changes = {field: value for field, value in given.items() if value is not None}
    changed = session.exec(
        update(Gallery).where(col(Gallery.id) == gallery_id).values(updated_at=now(), **changes)
    )
    if changed.rowcount != 1:
        raise NotFound("There is no gallery with this id.")
    session.refresh(placed.gallery)
    return placed


def members_after(
    session: Session, gallery_id: str, last: Member | None, limit: int
) -> list[Member]:
    """The next members of a gallery, in the order they were added."""
    found = _members(gallery_id).limit(limit)
    if last is not None:
        place = tuple_(col(GalleryImage.added_at), col(GalleryImage.image_id))
        found = found.where(place > tuple_(*last))
    return [Member(*row) for row in session.exec(found)]


def members_on_page(session: Session, gallery_id: str, page: int, limit: int) -> list[Member]:
    """One page of a gallery, and one member more if another page follows."""
    found = _members(gallery_id).offset((page - 1) * limit).limit(limit + 1)
    return [Member(*row) for row in session.exec(found)]


def _members(gallery_id: str) -> Select[datetime, str]:
    order = (col(GalleryImage.added_at), col(GalleryImage.image_id))
    return select(*order).where(GalleryImage.gallery_id == gallery_id).order_by(*order)


def check_galleries(
    session: Session, account_id: str, bucket_id: str, gallery_ids: Sequence[str]
) -> None:
    """Raise InvalidFields unless every gallery is the account's and of this bucket."""
    found = select(Gallery.id).where(
        col(Gallery.id).in_(list(filter(storable, gallery_ids))),
        Gallery.account_id == account_id,
        Gallery.bucket_id == bucket_id,
    )
    known = set(session.exec(found))
    problems = [
        Problem(field=f"galleries[{place}]", problem=f"there is no gallery '{gallery_id}' here")
        for place, gallery_id in enumerate(gallery_ids)
        if gallery_id not in known
    ]
    if problems:
        raise InvalidFields(problems)


def put_in_galleries(session: Session, image_id: str, gallery_ids: Sequence[str]) -> None:
    """Make these the image's galleries, and no others; one that is gone by now is left out.

    NotFound when the image itself is gone by now.
    """
    state = select(Image.state).where(Image.id == image_id).with_for_update()
    if session.exec(state).first() in (None, "deleted"):
        raise NotFound("There is no image with this id.")
    session.exec(delete(GalleryImage).where(col(GalleryImage.image_id) == image_id))
    kept = select(Gallery.id).where(col(Gallery.id).in_(gallery_ids)).order_by(col(Gallery.id))
    standing = set(session.exec(kept.with_for_update(read=True, key_share=True)))
    wanted = [gallery_id for gallery_id in dict.fromkeys(gallery_ids) if gallery_id in standing]
    session.add_all(GalleryImage(gallery_id=one, image_id=image_id) for one in wanted)
    session.flush()
    count_galleries(session, [image_id])


def count_galleries(session: Session, image_ids: Sequence[str]) -> None:
    """Write down in how many galleries each image is; who has none is found by index.

    Exact when nobody else changes them meanwhile: the images must be locked, or pending.
    """
    members = select(func.count()).where(GalleryImage.image_id == Image.id).scalar_subquery()
    for chunk in _chunks(image_ids):
        session.exec(
            update(Image).where(col(Image.id).in_(chunk)).values(gallery_count=members),
            execution_options=BLINDLY,
        )


def galleries_of(session: Session, image_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the galleries each image is in, oldest membership first."""
    belongs: dict[str, list[str]] = {image_id: [] for image_id in image_ids}
    for image_id, gallery_id in session.execute(_BELONGING, {"images": image_ids}):
        belongs[image_id].append(gallery_id)
    return belongs


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
