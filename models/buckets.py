"""Buckets: where an account keeps its images, and which of them is the primary one."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, literal_column
from sqlmodel import Session, and_, col, delete, func, or_, select, update
from sqlmodel.sql.expression import SelectOfScalar

from models.accounts import DEFAULT_BUCKET
from models.columns import now
from models.errors import (
    BucketFailed,
    Conflict,
    InvalidFields,
    NotFound,
    Problem,
    Unavailable,
)
from models.events import BucketDeleted, ObjectsDropped, Purged, deletion_subject, purge_subject
from models.keeping import count_storage
from models.outgoing import announce
from models.policies import announce_policy
from models.records import Bucket, Gallery, GalleryImage, Image, Master, Order, Variant
from models.wire import Wire

MOST_BUCKETS = 100
LONGEST_BACKLOG = 100

# Written out, not bound: only so is the index of pending orders used.
_PENDING: ColumnElement[str] = literal_column("'pending'")


class Credentials(Wire, frozen=True):
    """The keys of a customer's storage, as they are sealed."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Without the keys."""
        return "Credentials()"


def list_buckets(session: Session, account_id: str) -> list[Bucket]:
    """The account's buckets, the default one first."""
    return list(session.exec(_standing(account_id).order_by(col(Bucket.created_at))))


def own_bucket(session: Session, account_id: str, key: str) -> Bucket:
    """The account's bucket with this key, or NotFound."""
    bucket = session.exec(_standing(account_id).where(Bucket.key == key)).first()
    if bucket is None:
        raise NotFound(f"There is no bucket '{key}'.")
    return bucket


def _standing(account_id: str) -> SelectOfScalar[Bucket]:
    return select(Bucket).where(Bucket.account_id == account_id, col(Bucket.deleted_at).is_(None))


def add_bucket(session: Session, account_id: str, fields: Mapping[str, Any]) -> Bucket:
    """A new bucket. Conflict when there is one with this key, or too many."""
    buckets = _lock(session, account_id)
    if any(bucket.key == fields["key"] for bucket in buckets):
        raise Conflict(f"There is already a bucket '{fields['key']}'.")
    if len(buckets) >= MOST_BUCKETS:
        raise Conflict(f"There are {MOST_BUCKETS} buckets already, no account may have more.")
    primary = fields.get("is_primary", False)
    bucket = Bucket(
        **{**fields, "is_primary": False}, account_id=account_id, public_id=secrets.token_hex(16)
    )
    session.add(bucket)
    session.flush()
    if primary:
        _make_primary(session, bucket)
    return bucket


def change_bucket(session: Session, account_id: str, key: str, fields: Mapping[str, Any]) -> Bucket:
    """Change what `fields` names, together; `is_primary` moves the mark here."""
    bucket = _locked(session, account_id, key)
    for name, value in fields.items():
        if name != "is_primary":
            setattr(bucket, name, value)
    announce_policy(session, account_id)
    session.flush()
    if fields.get("is_primary"):
        _make_primary(session, bucket)
    elif "is_primary" in fields and bucket.is_primary:
        problem = "one bucket is always primary: make another one primary instead"
        raise InvalidFields([Problem(field="isPrimary", problem=problem)])
    return bucket


def delete_bucket(
    session: Session, account_id: str, key: str, *, force: bool, objects: bool
) -> None:
    """Take a bucket and all its images away; the default one becomes primary if this one was.

    Conflict for the default bucket, for one with orders under way, and for one with images unless
    `force` or `objects` says that they go. Only with `objects` are their objects deleted, soon.
    """
    bucket = _locked(session, account_id, key)
    _refuse_delete(session, bucket, force=force or objects)
    if bucket.is_primary:
        _make_primary(session, own_bucket(session, account_id, DEFAULT_BUCKET))
        session.refresh(bucket)
    bucket.deleted_at, bucket.objects_go, bucket.image_count = now(), objects, 0
    if not objects:
        bucket.credentials = None
    session.flush()
    _bury_all(session, bucket)
    announce(session, purge_subject(bucket.public_id), Purged(bucket=bucket.public_id, keys=[]))
    announce_policy(session, account_id)
    announce(session, deletion_subject(bucket.id), BucketDeleted(bucket_id=bucket.id))


def _refuse_delete(session: Session, bucket: Bucket, *, force: bool) -> None:
    if bucket.endpoint is None:
        raise Conflict("The default bucket cannot be deleted.")
    pending = select(Order.id).where(Order.bucket_id == bucket.id, col(Order.state) == _PENDING)
    if session.exec(pending.limit(1)).first():
        raise Conflict(f"The bucket '{bucket.key}' has orders under way: try again soon.")
    if bucket.image_count and not force:
        raise Conflict(
            f"The bucket '{bucket.key}' has images: {bucket.image_count}. Delete with ?force=true "
            "to forget them and keep their objects, with ?deleteObjects=true to delete both."
        )


def _bury_all(session: Session, bucket: Bucket) -> None:
    """Make every image of a bucket a tombstone, and take its galleries away."""
    galleries = select(Gallery.id).where(Gallery.bucket_id == bucket.id)
    session.exec(delete(GalleryImage).where(col(GalleryImage.gallery_id).in_(galleries)))
    session.exec(delete(Gallery).where(col(Gallery.bucket_id) == bucket.id))
    ready = (
        col(Image.account_id) == bucket.account_id,
        col(Image.bucket_id) == bucket.id,
        col(Image.state) == "ready",
    )
    kept = session.exec(select(func.sum(col(Image.kept_size))).where(*ready)).one()
    count_storage(session, bucket, 0, -int(kept or 0))
    session.exec(
        update(Image).where(*ready).values(state="deleted", gallery_count=0, updated_at=now())
    )


def _lock(session: Session, account_id: str) -> list[Bucket]:
    """The account's buckets as they are when nobody else changes them: this transaction may.

    The default bucket's row is the lock, and the rest is read after it is held. Orders that refer
    to the row need not wait for it.
    """
    default = select(Bucket.id).where(Bucket.account_id == account_id, Bucket.key == DEFAULT_BUCKET)
    session.exec(default.with_for_update(key_share=True)).one()
    found = _standing(account_id).execution_options(populate_existing=True)
    return list(session.exec(found))


def _locked(session: Session, account_id: str, key: str) -> Bucket:
    found = [bucket for bucket in _lock(session, account_id) if bucket.key == key]
    if not found:
        raise NotFound(f"There is no bucket '{key}'.")
    return found[0]


def _make_primary(session: Session, bucket: Bucket) -> None:
    """Move the mark within this transaction: no reader ever finds none, or two."""
    ours = col(Bucket.account_id) == bucket.account_id
    session.exec(update(Bucket).where(ours, col(Bucket.is_primary)).values(is_primary=False))
    session.exec(update(Bucket).where(col(Bucket.id) == bucket.id).values(is_primary=True))
    session.refresh(bucket)


def check_open(session: Session, bucket_id: str) -> Bucket:
    """The bucket, if orders for it may be accepted: NotFound when it is deleted.

    Raises BucketFailed while too many orders of its account wait for a storage that fails. Each
    of them is held by the bus; without an end to that, others would wait too.
    """
    bucket = session.get_one(Bucket, bucket_id, populate_existing=True)
    if bucket.deleted_at is not None:
        raise NotFound("The bucket was deleted.")
    if bucket.endpoint is not None and _backlog(session, bucket.account_id) >= LONGEST_BACKLOG:
        raise BucketFailed("Too many orders wait for buckets whose storage fails: try later.")
    return bucket


def _backlog(session: Session, account_id: str) -> int:
    customs = select(Bucket.id).where(
        Bucket.account_id == account_id, col(Bucket.endpoint).is_not(None)
    )
    waiting = select(Order.id).where(
        col(Order.bucket_id).in_(customs), col(Order.state) == _PENDING, Order.attempts > 0
    )
    return len(session.exec(waiting.limit(LONGEST_BACKLOG)).all())


def has_custom(session: Session, account_id: str) -> bool:
    """Whether an account has a bucket whose storage is not ours."""
    return any(bucket.endpoint for bucket in list_buckets(session, account_id))


def find_deleted(session: Session, bucket_id: str, most: int) -> tuple[Bucket, list[Image]] | None:
    """A deleted bucket and some of its images whose rows still stand; None when it is not one."""
    bucket = session.get(Bucket, bucket_id, populate_existing=True)
    if bucket is None or bucket.deleted_at is None:
        return None
    found = select(Image).where(Image.bucket_id == bucket_id, Image.state == "deleted")
    found = found.where(Image.account_id == bucket.account_id)
    return bucket, list(session.exec(found.limit(most)))


def keys_of(session: Session, image_ids: Sequence[str]) -> list[str]:
    """Where the objects of these images are."""
    found = select(Variant.storage_key).where(col(Variant.image_id).in_(image_ids))
    return list(session.exec(found))


def unneeded_keys(session: Session, bucket: Bucket, dropped: ObjectsDropped) -> list[str]:
    """Those of the dropped keys that no image has got again since.

    With us no key comes twice. In a customer's bucket an image that was a JPEG, then a WebP and is
    a JPEG again has the key it had first. Raises Unavailable while an update may be writing it.
    """
    if bucket.endpoint is None:
        return dropped.storage_keys
    if dropped.image_id and session.exec(_updates(bucket.id, dropped.image_id).limit(1)).first():
        raise Unavailable("An update of the image is under way.")
    names = [key.rpartition("/")[2] for key in dropped.storage_keys]
    found = select(Variant.storage_key).where(
        Variant.bucket_id == bucket.id, col(Variant.object_key).in_(names)
    )
    used = set(session.exec(found))
    return [key for key in dropped.storage_keys if key not in used]


def wait_for_turn(session: Session, order: Order) -> None:
    """Raise Unavailable while an earlier update of the same image is under way.

    In a customer's bucket both write the same keys: only one after the other do all of them fit.
    """
    updates = _updates(order.bucket_id, order.image_id or "")
    earlier = updates.where(
        or_(
            col(Order.created_at) < order.created_at,
            and_(col(Order.created_at) == order.created_at, col(Order.id) < order.id),
        )
    )
    if session.exec(earlier.limit(1)).first():
        raise Unavailable("An earlier update of the image is under way.")


def _updates(bucket_id: str, image_id: str) -> SelectOfScalar[str]:
    return select(Order.id).where(
        Order.bucket_id == bucket_id, Order.image_id == image_id, col(Order.state) == _PENDING
    )


def drop_images(session: Session, image_ids: Sequence[str]) -> None:
    """Remove the rows of tombstones whose objects are gone, or are to stay."""
    dead = select(Image.id).where(col(Image.id).in_(image_ids), Image.state == "deleted")
    session.exec(delete(Variant).where(col(Variant.image_id).in_(dead)))
    session.exec(delete(Master).where(col(Master.image_id).in_(dead)))
    session.exec(delete(Image).where(col(Image.id).in_(dead)))


def forget_credentials(session: Session, bucket_id: str) -> None:
    """A deleted bucket whose objects are gone needs its keys no more."""
    dead = (col(Bucket.id) == bucket_id, col(Bucket.deleted_at).is_not(None))
    session.exec(update(Bucket).where(*dead).values(credentials=None))
