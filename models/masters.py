"""What derivatives of an image can be made from."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from models.records import Bucket, Image, Master, Variant


class Sources(NamedTuple):
    """The masters of an image and its variants, thumbnails left out."""

    bucket: Bucket
    masters: Sequence[Master]
    variants: Sequence[Variant]


def find_sources(session: Session, image_id: str) -> Sources | None:
    """What there is of an image; None when it is not there any more."""
    image = session.get(Image, image_id, populate_existing=True)
    if image is None or image.state != "ready":
        return None
    variants = select(Variant).where(Variant.image_id == image_id, col(Variant.counted).is_(True))
    return Sources(
        session.get_one(Bucket, image.bucket_id),
        session.exec(select(Master).where(Master.image_id == image_id)).all(),
        session.exec(variants.order_by(col(Variant.position))).all(),
    )
