"""Sums that must fit: balances and the ledger, storage and images, counts and rows.

Each difference is found by one statement, which sees one moment. A page of accounts or buckets at
a time: no statement runs for long.
"""

from typing import Any, NamedTuple

from sqlalchemy import SQLColumnExpression, Update, func
from sqlmodel import Session, col, select, update

from models.records import BLINDLY, Account, Bucket, Image, LedgerEntry, Master, Variant

PAGE = 200


class Difference(NamedTuple):
    """What a row says, and what the rows that it sums up say."""

    id: str
    name: str
    says: int
    truth: int


class Page(NamedTuple):
    """Some differences, and the last row looked at; None when that was the last of all."""

    found: list[Difference]
    last: str | None


def unequal_balances(session: Session, after: str) -> Page:
    """Accounts whose credits are not the sum of their ledger."""
    ids = _ids(session, col(Account.id), after)
    entries = func.coalesce(func.sum(LedgerEntry.free + LedgerEntry.paid), 0)
    truth = select(entries).where(LedgerEntry.account_id == Account.id).scalar_subquery()
    free = select(func.coalesce(func.sum(LedgerEntry.free), 0))
    free_truth = free.where(LedgerEntry.account_id == Account.id).scalar_subquery()
    says = col(Account.credits_free) + col(Account.credits_paid)
    found = select(Account.id, Account.name, says, truth).where(
        col(Account.id).in_(ids), (says != truth) | (col(Account.credits_free) != free_truth)
    )
    return _page(session, found, ids)


def unequal_storage(session: Session, after: str) -> Page:
    """Accounts whose used storage is not the sum of their images with us."""
    ids = _ids(session, col(Account.id), after)
    found = select(Account.id, Account.name, Account.storage_used, _stored()).where(
        col(Account.id).in_(ids), col(Account.storage_used) != _stored()
    )
    return _page(session, found, ids)


def correct_storage(session: Session, found: Difference) -> bool:
    """Write the truth, unless somebody counted meanwhile."""
    account = (col(Account.id) == found.id, col(Account.storage_used) == found.says)
    fits = update(Account).where(*account, _stored() == found.truth)
    return _wrote(session, fits.values(storage_used=found.truth))


def _stored() -> Any:  # noqa: ANN401 the sum of two subqueries; its type has no short name
    """Variants count where they are with us, kept originals always are."""
    ready = (Image.account_id == Account.id, Image.state == "ready")
    kept = select(func.coalesce(func.sum(Image.kept_size), 0)).where(*ready)
    sizes = select(func.coalesce(func.sum(Image.size), 0)).join(
        Bucket, col(Bucket.id) == Image.bucket_id
    )
    with_us = sizes.where(*ready, col(Bucket.endpoint).is_(None))
    return with_us.correlate(Account).scalar_subquery() + kept.correlate(Account).scalar_subquery()


def unequal_counts(session: Session, after: str) -> Page:
    """Buckets whose count of images is wrong."""
    ids = _ids(session, col(Bucket.id), after)
    found = select(Bucket.id, Bucket.key, Bucket.image_count, _images()).where(
        col(Bucket.id).in_(ids), col(Bucket.image_count) != _images()
    )
    return _page(session, found, ids)


def correct_count(session: Session, found: Difference) -> bool:
    """Write the truth, unless somebody counted meanwhile."""
    bucket = (col(Bucket.id) == found.id, col(Bucket.image_count) == found.says)
    fits = update(Bucket).where(*bucket, _images() == found.truth)
    return _wrote(session, fits.values(image_count=found.truth))


def _images() -> Any:  # noqa: ANN401 as above
    ready = (
        Image.account_id == Bucket.account_id,
        Image.bucket_id == Bucket.id,
        Image.state == "ready",
    )
    return select(func.count()).where(*ready).correlate(Bucket).scalar_subquery()


def unequal_sizes(session: Session, after: str) -> Page:
    """Ready images whose size is not the sum of the variants that count."""
    return _unequal_images(session, after, col(Image.size), _counted())


def correct_size(session: Session, found: Difference) -> bool:
    """Write the truth, unless somebody changed the image meanwhile."""
    fits = _image(found, col(Image.size), _counted())
    return _wrote(session, fits.values(size=found.truth))


def unequal_kept(session: Session, after: str) -> Page:
    """Ready images whose kept size is not that of their kept original."""
    return _unequal_images(session, after, col(Image.kept_size), _kept())


def correct_kept(session: Session, found: Difference) -> bool:
    """Write the truth, unless somebody changed the image meanwhile."""
    fits = _image(found, col(Image.kept_size), _kept())
    return _wrote(session, fits.values(kept_size=found.truth))


def _unequal_images(
    session: Session, after: str, says: SQLColumnExpression[int], truth: SQLColumnExpression[int]
) -> Page:
    ids = _ids(session, col(Image.id), after)
    found = select(Image.id, Image.name, says, truth)
    here = (col(Image.id).in_(ids), Image.state == "ready", says != truth)
    return _page(session, found.where(*here), ids)


def _image(
    found: Difference, says: SQLColumnExpression[int], truth: SQLColumnExpression[int]
) -> Any:  # noqa: ANN401 an update
    ready = (col(Image.id) == found.id, col(Image.state) == "ready")
    return update(Image).where(*ready, says == found.says, truth == found.truth)


def _counted() -> Any:  # noqa: ANN401 as above
    sizes = select(func.coalesce(func.sum(Variant.size), 0))
    mine = (Variant.image_id == Image.id, col(Variant.counted))
    return sizes.where(*mine).correlate(Image).scalar_subquery()


def _kept() -> Any:  # noqa: ANN401 as above
    sizes = select(func.coalesce(func.sum(Master.size), 0))
    mine = (Master.image_id == Image.id, Master.kind == "original")
    return sizes.where(*mine).correlate(Image).scalar_subquery()


def _wrote(session: Session, correction: Update) -> bool:
    return bool(session.exec(correction, execution_options=BLINDLY).rowcount)


def _ids(session: Session, key: SQLColumnExpression[str], after: str) -> list[str]:
    """The next keys, in the order of their index."""
    return list(session.exec(select(key).where(key > after).order_by(key).limit(PAGE)))


def _page(session: Session, found: Any, ids: list[str]) -> Page:  # noqa: ANN401 a select of four
    last = ids[-1] if len(ids) == PAGE else None
    return Page([Difference(*row) for row in session.exec(found)] if ids else [], last)
