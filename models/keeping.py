"""Keeping what an order made: the variants of new images, or new variants of an old one."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlmodel import Session, col, delete, select, update

from models.columns import now
from models.events import Change, ObjectsDropped, Purged, drop_subject, purge_subject
from models.failpoint import failpoint
from models.galleries import put_in_galleries
from models.outgoing import announce
from models.records import Account, Bucket, Image, Order, Variant
from models.wire import Wire


class Made(Wire, frozen=True):
    """One variant whose object is stored. Sizes in bytes and pixels."""

    id_suffix: str
    object_key: str
    storage_key: str
    format: str
    content_type: str
    extension: str
    width: int
    height: int
    size: int
    sha256: str
    counted: bool = True


def keep_new(
    session: Session, order: Order, images: Sequence[Image], made: Sequence[Sequence[Made]]
) -> None:
    """Make the pending images of an order ready. Several are named by number and size."""
    for image, variants in zip(images, made, strict=True):
        if len(images) > 1:
            first = _counted(variants)[0]
            image.name = f"{image.name} {image.position + 1}:[{first.width}x{first.height}]"
        _fill(session, order, image, variants)
        put_in_galleries(session, image.id, (order.change and order.change.galleries) or [])
    bucket = session.get_one(Bucket, order.bucket_id)
    count_images(session, order.bucket_id, len(images))
    count_storage(session, bucket, sum(image.size for image in images))


def replace_variants(session: Session, order: Order, image: Image, made: Sequence[Made]) -> None:
    """Give an image new variants; the old ones' objects are dropped, and both are purged."""
    old = session.exec(select(Variant).where(Variant.image_id == image.id)).all()
    session.exec(delete(Variant).where(col(Variant.image_id) == image.id))
    bucket = session.get_one(Bucket, image.bucket_id)
    before = image.size
    _fill(session, order, image, made)
    count_storage(session, bucket, image.size - before)
    apply_change(session, image, order.change or Change())
    keys = {variant.object_key for variant in old} | {variant.object_key for variant in made}
    announce_purge(session, bucket, image.prefix, sorted(keys))
    dropped = {variant.storage_key for variant in old} - {variant.storage_key for variant in made}
    event = ObjectsDropped(bucket_id=bucket.id, storage_keys=sorted(dropped), image_id=image.id)
    announce(session, drop_subject(order.id), event)
    failpoint("U3.before_commit")


def _fill(session: Session, order: Order, image: Image, made: Sequence[Made]) -> None:
    for position, variant in enumerate(made):
        fields = msgspec.structs.asdict(variant)
        where = {"image_id": image.id, "bucket_id": image.bucket_id, "position": position}
        session.add(Variant.model_validate(where | fields))
    image.original = order.original
    image.size = sum(variant.size for variant in _counted(made))
    image.state = "ready"
    image.updated_at = now()


def apply_change(session: Session, image: Image, change: Change) -> None:
    """Do to an image what is asked besides its pixels."""
    if change.name is not None:
        image.name = change.name
    if change.description is not None:
        image.description = change.description
    if change.galleries is not None:
        session.flush()
        put_in_galleries(session, image.id, change.galleries)
    image.updated_at = now()


def announce_purge(session: Session, bucket: Bucket, prefix: str, keys: Iterable[str]) -> None:
    """Tell every edge that these keys of this folder mean something else from now on."""
    public_id = bucket.public_id
    paths = [f"{prefix}{key}" for key in keys]
    announce(session, purge_subject(public_id), Purged(bucket=public_id, keys=paths))


def count_storage(session: Session, bucket: Bucket, size: int) -> None:
    """Count bytes of variants to the bucket's account; a customer's own storage is not counted."""
    if bucket.endpoint is None:
        session.exec(
            update(Account)
            .where(col(Account.id) == bucket.account_id)
            .values(storage_used=Account.storage_used + size)
        )


def count_images(session: Session, bucket_id: str, more: int) -> None:
    """Count ready images that came to a bucket, or with a negative number left it."""
    session.exec(
        update(Bucket)
        .where(col(Bucket.id) == bucket_id)
        .values(image_count=Bucket.image_count + more)
    )


def _counted(made: Sequence[Made]) -> list[Made]:
    return [variant for variant in made if variant.counted]
