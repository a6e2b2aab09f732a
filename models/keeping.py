"""Keeping what an order made: the variants of new images, or new variants of an old one."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from sqlmodel import Session, col, delete, insert, select, update

from models.cards import card_of
from models.columns import now
from models.events import Change, ObjectsDropped, Purged, drop_subject, purge_subject
from models.failpoint import failpoint
from models.galleries import put_in_galleries
from models.made import Made
from models.outgoing import announce
from models.places import derived_folder
from models.records import (
    Account,
    Bucket,
    Image,
    Master,
    Order,
    Variant,
    new_id,
)
from models.wire import Wire

_COUNTED: Final = (
    sa.update(Bucket)
    .where(col(Bucket.id) == sa.bindparam("bucket"))
    .values(image_count=col(Bucket.image_count) + sa.bindparam("more"))
)


class Mastered(Wire, frozen=True):
    """What derivatives of the image at this place of the order will start from; it is stored."""

    image: int
    kind: Literal["mezzanine", "original"]
    whole: bool
    storage_key: str
    format: str
    width: int
    height: int
    size: int
    sha256: str


class Results(Wire, frozen=True):
    """All that an order made: the variants of each image, and their masters."""

    made: Sequence[Sequence[Made]]
    masters: Sequence[Mastered] = ()


def keep_new(session: Session, order: Order, images: Sequence[Image], results: Results) -> None:
    """Make the pending images of an order ready. Several are named by number and size."""
    for image, variants in zip(images, results.made, strict=True):
        if len(images) > 1:
            first = _counted(variants)[0]
            image.name = f"{image.name} {image.position + 1}:[{first.width}x{first.height}]"
        _fill(session, order, image, variants)
        if order.change and order.change.galleries:
            put_in_galleries(session, image.id, order.change.galleries)
    bucket = session.get_one(Bucket, order.bucket_id)
    _keep_masters(session, images, results.masters)
    # Images, then the account, then the bucket: whoever locks them in another order makes a ring.
    kept = sum(image.kept_size for image in images)
    count_storage(session, bucket, sum(image.size for image in images), kept)
    count_images(session, order.bucket_id, len(images))


def replace_variants(session: Session, order: Order, image: Image, results: Results) -> None:
    """Give an image new variants; the old ones' objects are dropped, and both are purged.

    So are the masters and the derivatives of the old ones.
    """
    made = results.made[0]
    old = session.exec(select(Variant).where(Variant.image_id == image.id)).all()
    session.exec(delete(Variant).where(col(Variant.image_id) == image.id))
    masters = _take_masters(session, image.id)
    bucket = session.get_one(Bucket, image.bucket_id)
    before, kept_before = image.size, image.kept_size
    _fill(session, order, image, made)
    image.kept_size = 0
    _keep_masters(session, [image], results.masters)
    count_storage(session, bucket, image.size - before, image.kept_size - kept_before)
    apply_change(session, image, order.change or Change())
    keys = {variant.object_key for variant in old} | {variant.object_key for variant in made}
    announce_purge(session, bucket, image.prefix, sorted(keys))
    dropped = {variant.storage_key for variant in old} - {variant.storage_key for variant in made}
    hashes = {variant.sha256 for variant in old} - {variant.sha256 for variant in made}
    event = ObjectsDropped(
        bucket_id=bucket.id,
        storage_keys=sorted(dropped),
        image_id=image.id,
        own_keys=tuple(masters),
        own_folders=tuple(
            derived_folder(bucket.public_id, image.id, old) for old in sorted(hashes)
        ),
    )
    announce(session, drop_subject(order.id), event)
    failpoint("U3.before_commit")


def _keep_masters(session: Session, images: Sequence[Image], masters: Sequence[Mastered]) -> None:
    for master in masters:
        fields = msgspec.structs.asdict(master)
        image = images[fields.pop("image")]
        session.add(Master(image_id=image.id, **fields))
        image.kept_size += master.size if master.kind == "original" else 0


def _take_masters(session: Session, image_id: str) -> list[str]:
    """Remove the rows of an image's masters; where their objects are."""
    keys = session.exec(select(Master.storage_key).where(Master.image_id == image_id)).all()
    session.exec(delete(Master).where(col(Master.image_id) == image_id))
    return sorted(keys)


def _fill(session: Session, order: Order, image: Image, made: Sequence[Made]) -> None:
    moment = now()
    where = {"image_id": image.id, "bucket_id": image.bucket_id, "created_at": moment}
    rows = [
        {"id": new_id(), "position": position} | where | msgspec.structs.asdict(variant)
        for position, variant in enumerate(made)
    ]
    session.execute(insert(Variant), rows)
    image.original = order.original
    image.card = card_of(order.original, image.created_at, made, moment)
    image.size = sum(variant.size for variant in _counted(made))
    image.state = "ready"
    image.updated_at = moment


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


def announce_photo_purge(session: Session, bucket: Bucket, keys: Iterable[str]) -> None:
    """The same for photos, which are at the root of every edge."""
    announce(session, purge_subject(bucket.public_id), Purged(bucket="", keys=list(keys)))


def count_storage(session: Session, bucket: Bucket, variants: int, kept: int) -> None:
    """Count bytes of variants and of kept originals to the bucket's account.

    Variants in a customer's own storage are not counted; kept originals are always in ours.
    """
    more = kept + (variants if bucket.endpoint is None else 0)
    if more:
        session.exec(
            update(Account)
            .where(col(Account.id) == bucket.account_id)
            .values(storage_used=Account.storage_used + more)
        )


def count_images(session: Session, bucket_id: str, more: int) -> None:
    """Count ready images that came to a bucket, or with a negative number left it."""
    session.connection().execute(_COUNTED, {"bucket": bucket_id, "more": more})


def _counted(made: Sequence[Made]) -> list[Made]:
    return [variant for variant in made if variant.counted]
