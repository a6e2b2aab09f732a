"""An order's life: accepted once, finished once, paid or refunded once."""

from collections.abc import Sequence

from sqlmodel import Session, col, select, update

from models import ledger
from models.buckets import check_open, has_custom, wait_for_turn
from models.columns import now
from models.errors import NotFound, OutOfStorage
from models.events import (
    Change,
    Failure,
    ObjectsDropped,
    OrderAccepted,
    OrderFinished,
    Original,
    drop_subject,
    order_subject,
    outcome_subject,
)
from models.failpoint import failpoint
from models.galleries import check_galleries
from models.generation import Generated, Generation
from models.keeping import Mastered, Results, keep_new, replace_variants
from models.made import Made
from models.meter import Meter, afterwards, counted
from models.outgoing import announce
from models.photos import give_photo, take_photo_back
from models.recipe import Recipe
from models.records import BLINDLY, Account, Bucket, Image, Order, new_id
from models.replays import belongs_to_order
from models.wire import Wire


class Draft(Wire, frozen=True):
    """An order before it is accepted: the original is in staging, nothing is paid.

    With an `image_id` it replaces that image's variants, else it makes an image for each list of
    recipes; a photo is kept as it is, its one list is empty. `change` holds what is asked besides
    pixels.
    """

    order_id: str
    account_id: str
    bucket_id: str
    staging_key: str
    original: Original
    asked: list[list[Recipe]]
    cost: int
    change: Change
    kind: str = "upload"
    image_id: str | None = None
    prefix: str = ""
    unique_keys: bool = False
    alt_text: str | None = None
    generation: Generation | None = None
    generated: Generated | None = None
    request_id: str = ""


def accept_order(session: Session, draft: Draft) -> None:
    """Take the order and its credits in one transaction. Its commit is the acceptance.

    Raises OutOfCredits, OutOfStorage, BucketFailed, NotFound or InvalidFields, and then nothing is
    kept.
    """
    bucket = check_open(session, draft.bucket_id)
    if bucket.endpoint is not None and draft.image_id is not None:
        # Updates that write the same keys come one after another.
        session.exec(select(Image.id).where(Image.id == draft.image_id).with_for_update())
    if draft.change.galleries:
        check_galleries(session, draft.account_id, draft.bucket_id, draft.change.galleries)
    amount = ledger.reserve(session, draft.account_id, draft.order_id, draft.cost)
    if bucket.endpoint is None:
        refuse_full_storage(session, draft.account_id)  # the row that was locked just now
    session.add(_order(draft, amount))
    belongs_to_order(session, draft.order_id)
    session.flush()
    if draft.image_id is None:
        photo_id = None
        if draft.kind == "photo":
            photo_id = give_photo(session, draft.account_id, draft.alt_text)
        for position in range(len(draft.asked)):
            session.add(_image(draft, position, photo_id))
    event = OrderAccepted(order_id=draft.order_id, request_id=draft.request_id)
    announce(session, order_subject(draft.order_id), event)
    counted(session, "calotype_orders_total", "accepted")
    failpoint("G2.before_commit")


def refuse_hopeless(session: Session, account_id: str) -> None:
    """Raise OutOfStorage when not one of the account's buckets can take another byte."""
    if not has_custom(session, account_id):
        refuse_full_storage(session, account_id)


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
        image_id=draft.image_id,
        prefix=draft.prefix,
        unique_keys=draft.unique_keys,
        change=draft.change,
        staging_key=draft.staging_key,
        original=draft.original,
        asked=draft.asked,
        generation=draft.generation,
        generated=draft.generated,
        cost_free=amount.free,
        cost_paid=amount.paid,
        request_id=draft.request_id,
    )


def _image(draft: Draft, position: int, photo_id: str | None) -> Image:
    return Image(
        id=new_id(),
        account_id=draft.account_id,
        bucket_id=draft.bucket_id,
        order_id=draft.order_id,
        position=position,
        photo_id=photo_id,
        prefix=draft.prefix,
        name=draft.change.name or draft.original.name,
        description=draft.change.description,
        original=draft.original,
    )


def find_order(session: Session, order_id: str) -> Order | None:
    """The order, whatever became of it."""
    return session.get(Order, order_id)


def open_work(session: Session, order_id: str) -> tuple[Order, Bucket, list[Image]] | None:
    """A pending order with what is needed to process it, or None: then there is nothing to do.

    Raises NotFound when the image that it was to update, or the bucket, was deleted meanwhile;
    Unavailable while it is not this order's turn.
    """
    order = session.get(Order, order_id)
    if order is None or order.state != "pending":
        return None
    bucket = session.get_one(Bucket, order.bucket_id)
    if bucket.deleted_at is not None:
        raise NotFound("The bucket was deleted.")
    if bucket.endpoint is not None and order.image_id is not None:
        wait_for_turn(session, order)
    return order, bucket, images_of(session, order)


def images_of(session: Session, order: Order) -> list[Image]:
    """The images of an order, in the order asked; for an update the one it changes."""
    if order.image_id is None:
        found = select(Image).where(Image.order_id == order.id)
        return list(session.exec(found.order_by(col(Image.position))))
    image = session.get(Image, order.image_id, populate_existing=True)
    if image is None or image.state != "ready":
        raise NotFound("The image was deleted while it was updated.")
    return [image]


def finish_order(
    session: Session,
    order_id: str,
    original: Original,
    made: Sequence[Sequence[Made]],
    masters: Sequence[Mastered] = (),
) -> bool:
    """Keep what was made, capture the credits, count the storage, tell who waits.

    Only the first to come does anything; a second one, or one after a failure, gets False.
    """
    if not _close(session, order_id, "done", original=original):
        return False
    order = _ended(session, order_id)
    images = images_of(session, order)
    results = Results(made=made, masters=masters)
    if order.image_id is None:
        keep_new(session, order, images, results)
    else:
        replace_variants(session, order, images[0], results)
    ledger.capture(session, order.account_id, order_id, paid_for(order))
    announce(session, outcome_subject(order_id), OrderFinished(order_id=order_id, state="done"))
    failpoint("W3.before_commit")
    return True


def fail_order(session: Session, order_id: str, failure: Failure, left: Sequence[str] = ()) -> bool:
    """Give the credits back, forget the images, tell who waits. Only the first to come acts.

    What it `left` in a customer's storage is dropped, unless an image has the same keys.
    """
    if not _close(session, order_id, "failed", failure=failure):
        return False
    order = _ended(session, order_id)
    if left and order.image_id is None:
        event = ObjectsDropped(bucket_id=order.bucket_id, storage_keys=list(left))
        announce(session, drop_subject(order_id), event)
    if order.image_id is None:
        for image in images_of(session, order):
            session.delete(image)
            take_photo_back(session, image)
    ledger.refund(session, order.account_id, order_id, paid_for(order))
    announce(session, outcome_subject(order_id), OrderFinished(order_id=order_id, state="failed"))
    failpoint("F3.before_commit")
    return True


def paid_for(order: Order) -> ledger.Amount:
    """What was reserved for it."""
    return ledger.Amount(order.cost_free, order.cost_paid)


def _ended(session: Session, order_id: str) -> Order:
    """The order as it ended just now; counted when that is committed."""
    order = session.get_one(Order, order_id, populate_existing=True)
    took = max(0.0, (now() - order.created_at).total_seconds())

    def tell(meter: Meter) -> None:
        meter.count("calotype_orders_total", order.state)
        meter.timed("calotype_order_seconds", order.state, seconds=took)

    afterwards(session, tell)
    return order


def _close(session: Session, order_id: str, state: str, **more: Original | Failure) -> bool:
    closed = session.exec(
        update(Order)
        .where(col(Order.id) == order_id, col(Order.state) == "pending")
        .values(state=state, finished_at=now(), **more),
        execution_options=BLINDLY,
    )
    return closed.rowcount == 1
