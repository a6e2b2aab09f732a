"""An order's life: accepted once, finished once, paid or refunded once."""

from collections.abc import Sequence

import msgspec
from sqlmodel import Session, col, select, update

from models import ledger
from models.columns import now
from models.errors import OutOfStorage
from models.events import (
    Event,
    Failure,
    OrderAccepted,
    OrderFinished,
    Original,
    order_subject,
    outcome_subject,
)
from models.recipe import Recipe
from models.records import Account, Bucket, Image, Order, Outbox, Variant, new_id
from models.wire import Wire


class Draft(Wire, frozen=True):
    """An order before it is accepted: the original is in staging, nothing is paid."""

    order_id: str
    account_id: str
    bucket_id: str
    staging_key: str
    original: Original
    asked: list[list[Recipe]]
    cost: int
    name: str
    description: str | None = None
    request_id: str = ""
    kind: str = "upload"


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


def announce(session: Session, subject: str, event: Event) -> None:
    """Say `event` on the bus when this transaction commits, and until it is heard."""
    row = Outbox(subject=subject, payload=msgspec.json.encode(event))
    session.add(row)
    session.info.setdefault("announced", []).append(row)


def accept_order(session: Session, draft: Draft) -> None:
    """Take the order and its credits in one transaction. Its commit is the acceptance.

    Raises OutOfCredits or OutOfStorage, and then nothing is kept.
    """
    refuse_full_storage(session, draft.account_id)
    amount = ledger.reserve(session, draft.account_id, draft.order_id, draft.cost)
    session.add(_order(draft, amount))
    session.flush()
    session.add_all(_image(draft, position) for position in range(len(draft.asked)))
    event = OrderAccepted(order_id=draft.order_id, request_id=draft.request_id)
    announce(session, order_subject(draft.order_id), event)


def refuse_full_storage(session: Session, account_id: str) -> None:
    """Raise OutOfStorage when the account has no byte left."""
    account = session.get_one(Account, account_id)
    if account.storage_used >= account.storage_total:
        raise OutOfStorage


def _order(draft: Draft, amount: ledger.Amount) -> Order:
    return Order(
        id=draft.order_id,
        account_id=draft.account_id,
        bucket_id=draft.bucket_id,
        kind=draft.kind,
        staging_key=draft.staging_key,
        original=draft.original,
        asked=draft.asked,
        cost_free=amount.free,
        cost_paid=amount.paid,
        request_id=draft.request_id,
    )


def _image(draft: Draft, position: int) -> Image:
    return Image(
        id=new_id(),
        account_id=draft.account_id,
        bucket_id=draft.bucket_id,
        order_id=draft.order_id,
        position=position,
        name=draft.name,
        description=draft.description,
        original=draft.original,
    )


def find_order(session: Session, order_id: str) -> Order | None:
    """The order, whatever became of it."""
    return session.get(Order, order_id)


def open_work(session: Session, order_id: str) -> tuple[Order, Bucket, list[Image]] | None:
    """A pending order with what is needed to process it, or None: then there is nothing to do."""
    order = session.get(Order, order_id)
    if order is None or order.state != "pending":
        return None
    return order, session.get_one(Bucket, order.bucket_id), images_of(session, order_id)


def images_of(session: Session, order_id: str) -> list[Image]:
    """The images of an order, in the order asked."""
    found = select(Image).where(Image.order_id == order_id).order_by(col(Image.position))
    return list(session.exec(found))


def count_attempt(session: Session, order_id: str) -> int:
    """Note that an attempt failed; how many have by now."""
    session.exec(update(Order).where(col(Order.id) == order_id).values(attempts=Order.attempts + 1))
    return session.exec(select(Order.attempts).where(Order.id == order_id)).one()


def finish_order(
    session: Session, order_id: str, original: Original, made: Sequence[Sequence[Made]]
) -> bool:
    """Keep what was made, capture the credits, count the storage, tell who waits.

    Only the first to come does anything; a second one, or one after a failure, gets False.
    """
    if not _close(session, order_id, "done"):
        return False
    order = session.get_one(Order, order_id, populate_existing=True)
    order.original = original
    images = images_of(session, order_id)
    for image, variants in zip(images, made, strict=True):
        _keep(session, image, original, variants, numbered=len(images) > 1)
    _count_storage(session, order.account_id, sum(image.size for image in images))
    ledger.capture(session, order.account_id, order_id)
    announce(session, outcome_subject(order_id), OrderFinished(order_id=order_id, state="done"))
    return True


def _keep(
    session: Session, image: Image, original: Original, made: Sequence[Made], *, numbered: bool
) -> None:
    for position, variant in enumerate(made):
        fields = msgspec.structs.asdict(variant)
        where = {"image_id": image.id, "bucket_id": image.bucket_id, "position": position}
        session.add(Variant.model_validate(where | fields))
    first = next(variant for variant in made if variant.counted)
    if numbered:
        image.name = f"{image.name} {image.position + 1}:[{first.width}x{first.height}]"
    image.original = original
    image.size = sum(variant.size for variant in made if variant.counted)
    image.state = "ready"
    image.updated_at = now()


def fail_order(session: Session, order_id: str, failure: Failure) -> bool:
    """Give the credits back, forget the images, tell who waits. Only the first to come acts."""
    if not _close(session, order_id, "failed"):
        return False
    order = session.get_one(Order, order_id, populate_existing=True)
    order.failure = failure
    for image in images_of(session, order_id):
        session.delete(image)
    amount = ledger.Amount(order.cost_free, order.cost_paid)
    ledger.refund(session, order.account_id, order_id, amount)
    announce(session, outcome_subject(order_id), OrderFinished(order_id=order_id, state="failed"))
    return True


def _close(session: Session, order_id: str, state: str) -> bool:
    closed = session.exec(
        update(Order)
        .where(col(Order.id) == order_id, col(Order.state) == "pending")
        .values(state=state, finished_at=now())
    )
    return closed.rowcount == 1


def _count_storage(session: Session, account_id: str, size: int) -> None:
    session.exec(
        update(Account)
        .where(col(Account.id) == account_id)
        .values(storage_used=Account.storage_used + size)
    )
