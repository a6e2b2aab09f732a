"""Galleries: which images belong together, and who may look at them."""

from collections.abc import Sequence

from sqlmodel import Session, col, delete, select, update

from models.errors import InvalidFields, Problem
from models.records import Gallery, GalleryImage, Image


def check_galleries(
    session: Session, account_id: str, bucket_id: str, gallery_ids: Sequence[str]
) -> None:
    """Raise InvalidFields unless every gallery is the account's and of this bucket."""
    found = select(Gallery.id).where(
        col(Gallery.id).in_(gallery_ids),
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
    """Make these the image's galleries, and no others; one that is gone by now is left out."""
    session.exec(delete(GalleryImage).where(col(GalleryImage.image_id) == image_id))
    standing = set(session.exec(select(Gallery.id).where(col(Gallery.id).in_(gallery_ids))))
    kept = [gallery_id for gallery_id in dict.fromkeys(gallery_ids) if gallery_id in standing]
    session.add_all(GalleryImage(gallery_id=one, image_id=image_id) for one in kept)
    session.flush()
    count_galleries(session, [image_id])


def count_galleries(session: Session, image_ids: Sequence[str]) -> None:
    """Write down in how many galleries each image is; who has none is found by index."""
    for image_id in image_ids:
        members = select(GalleryImage.gallery_id).where(GalleryImage.image_id == image_id)
        session.exec(
            update(Image)
            .where(col(Image.id) == image_id)
            .values(gallery_count=len(session.exec(members).all()))
        )


def galleries_of(session: Session, image_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the galleries each image is in, oldest membership first."""
    found = select(GalleryImage).where(col(GalleryImage.image_id).in_(image_ids))
    belongs: dict[str, list[str]] = {image_id: [] for image_id in image_ids}
    for row in session.exec(found.order_by(col(GalleryImage.added_at))):
        belongs[row.image_id].append(row.gallery_id)
    return belongs
