"""Which objects of our own storage belong to nobody, and which rows have to have one.

What has a shape that `places` does not know was not written by us: it is never touched.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, func, or_, select

from models.places import Owner, owner_of
from models.records import Bucket, Image, Master, Order, Variant

PAGE = 500

_READY = col(Image.state) == "ready"


class Sorted(NamedTuple):
    """Objects that belong to nobody, and those of whom we know nothing."""

    unowned: list[str]
    strangers: list[str]


class Placed(NamedTuple):
    """A variant or a master by its image, and where its object must be."""

    image_id: str
    storage_key: str


class Page(NamedTuple):
    """Some rows, and the last image looked at; None when that was the last of all."""

    rows: list[Placed]
    last: str | None


def sort_objects(session: Session, keys: Sequence[str]) -> Sorted:
    """Those of these objects that belong to nobody and never will, and those of strangers.

    Listed before they are asked for here: an order that has ended by now writes nothing more, so
    what has no row then has none for ever. In a bucket that is unknown everything is a stranger's:
    whoever starts us on another database by mistake does not lose a single object.
    """
    parsed = {key: owner for key in keys if (owner := owner_of(key)) is not None}
    ours = _known(session, {owner.bucket for owner in parsed.values()})
    owners = {key: owner for key, owner in parsed.items() if owner.bucket in ours}
    needed = _needed(session, owners)
    return Sorted(
        [key for key in owners if key not in needed],
        [key for key in keys if key not in owners],
    )


def _needed(session: Session, owners: Mapping[str, Owner]) -> set[str]:
    """Those of these objects that a row names, an order may write, or a variant was source of."""
    images = {owner.image_id for owner in owners.values()}
    kept, sources = _kept(session, images), _sources(session, images)
    writing = _pending(session, {owner.order_id for owner in owners.values()})
    return {
        key
        for key, owner in owners.items()
        if key in kept or owner.order_id in writing or (owner.image_id, owner.source) in sources
    }


def _known(session: Session, public_ids: Iterable[str]) -> set[str]:
    return set(session.exec(select(Bucket.public_id).where(col(Bucket.public_id).in_(public_ids))))


def _kept(session: Session, image_ids: Iterable[str]) -> set[str]:
    variants = select(Variant.storage_key).where(col(Variant.image_id).in_(image_ids))
    masters = select(Master.storage_key).where(col(Master.image_id).in_(image_ids))
    return {*session.exec(variants), *session.exec(masters)}


def _sources(session: Session, image_ids: Iterable[str]) -> set[tuple[str, str]]:
    found = select(Variant.image_id, Variant.sha256).where(col(Variant.image_id).in_(image_ids))
    return set(session.exec(found))


def _pending(session: Session, order_ids: Iterable[str]) -> set[str]:
    found = select(Order.id).where(col(Order.id).in_(order_ids), Order.state == "pending")
    return set(session.exec(found))


def sort_originals(session: Session, keys: Sequence[str]) -> Sorted:
    """Those of these originals in staging that no order needs: none that waits, no dead letter.

    What a generation has made lies beside its order's key, after a dot, until the row has it.
    """
    beside = {key: key.partition(".")[0] for key in keys}
    needs = or_(Order.state == "pending", col(Order.parked_at).is_not(None))
    these = col(Order.staging_key).in_({*beside, *beside.values()})
    needed = set(session.exec(select(Order.staging_key).where(needs, these)))
    return Sorted([key for key in keys if not needed & {key, beside[key]}], [])


def about_how_many(session: Session) -> dict[str, int]:
    """How many objects there should be to list, and to look for: for who waits meanwhile."""
    variants, masters = (
        session.exec(select(func.count()).select_from(table)).one() for table in (Variant, Master)
    )
    return dict.fromkeys(("orphans", "missing"), variants + masters)


def placed_objects(session: Session, after: str) -> Page:
    """Where the objects with us of the next images must be, in the order of the images' ids."""
    ids = select(Image.id).where(Image.id > after).order_by(col(Image.id)).limit(PAGE)
    images = list(session.exec(ids))
    last = images[-1] if len(images) == PAGE else None
    return Page([*_variants(session, images), *_masters(session, images)], last)


def _variants(session: Session, image_ids: Sequence[str]) -> list[Placed]:
    found = (
        select(Variant.image_id, Variant.storage_key)
        .join(Image, col(Image.id) == Variant.image_id)
        .join(Bucket, col(Bucket.id) == Variant.bucket_id)
        .where(col(Image.id).in_(image_ids), _READY, col(Bucket.endpoint).is_(None))
    )
    return [Placed(*row) for row in session.exec(found)]


def _masters(session: Session, image_ids: Sequence[str]) -> list[Placed]:
    found = (
        select(Master.image_id, Master.storage_key)
        .join(Image, col(Image.id) == Master.image_id)
        .where(col(Image.id).in_(image_ids), _READY)
    )
    return [Placed(*row) for row in session.exec(found)]


def still_placed(session: Session, placed: Sequence[Placed]) -> list[Placed]:
    """Those of these that still stand where they stood."""
    kept = _kept(session, {one.image_id for one in placed})
    return [one for one in placed if one.storage_key in kept]
