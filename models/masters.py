"""What derivatives of an image can be made from."""

import functools
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

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


def are_of_images(
    session: Session, asked: Collection[tuple[str, str]]
) -> dict[tuple[str, str], bool]:
    """Those of these images and hashes that are an image that is there and a variant of it."""
    images = sorted({image_id for image_id, _ in asked})
    rows = session.connection().execute(_of_images(), {"images": images})
    found = {(image_id, sha256) for image_id, sha256 in rows}
    return {one: True for one in asked if one in found}


@functools.cache
def _of_images() -> Select[str, str]:
    """Asked after every render, and so built once: a third of the price of a record."""
    return (
        select(Variant.image_id, Variant.sha256)
        .join(Image, col(Image.id) == Variant.image_id)
        .where(
            col(Variant.image_id).in_(bindparam("images", expanding=True)), Image.state == "ready"
        )
    )
