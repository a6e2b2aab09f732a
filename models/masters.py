"""What derivatives of an image can be made from."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

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


def is_of_image(session: Session, image_id: str, sha256: str) -> bool:
    """Whether these bytes are a variant of an image that is there: so are its derivatives then."""
    found = session.connection().execute(_of_image(), {"image_id": image_id, "sha256": sha256})
    return found.first() is not None


@functools.cache
def _of_image() -> SelectOfScalar[str]:
    """Asked after every render, and so built once: a third of the price of a record."""
    return (
        select(Variant.id)
        .join(Image, col(Image.id) == Variant.image_id)
        .where(
            Variant.image_id == bindparam("image_id"),
            Variant.sha256 == bindparam("sha256"),
            Image.state == "ready",
        )
    )
