"""What is said on the bus, and the small values that rows and events share."""

from typing import Literal

from models.wire import Wire

ORDERS = "calotype.orders"
DELETIONS = "calotype.deletions"
EVENTS = "calotype.events"
PURGES = "calotype.purges"
PROGRESS = "calotype.progress"
DEAD = "calotype.dead"
DEAD_ORDERS = f"{DEAD}.orders"
DEAD_MESSAGES = f"{DEAD}.messages"
DROPS = f"{DELETIONS}.objects"


class Original(Wire, frozen=True):
    """What is remembered of the bytes somebody gave us. Sizes in bytes and pixels."""

    name: str
    size: int
    sha256: str
    format: str = ""
    content_type: str = "application/octet-stream"
    extension: str = ""
    width: int = 0
    height: int = 0


class Failure(Wire, frozen=True):
    """Why an order failed, ready to be answered."""

    status: int
    code: str
    message: str


class Change(Wire, frozen=True):
    """What becomes of an image besides its variants; None leaves as it is."""

    name: str | None = None
    description: str | None = None
    galleries: list[str] | None = None


class OrderAccepted(Wire, frozen=True, tag="order-accepted"):
    """There is an order to process."""

    order_id: str
    request_id: str = ""


class ImageDeleted(Wire, frozen=True, tag="image-deleted"):
    """An image is a tombstone: its objects are to be deleted, then its rows."""

    image_id: str


class ObjectsDropped(Wire, frozen=True, tag="objects-dropped"):
    """Objects of a bucket that nothing refers to any more: they are to be deleted.

    `own_keys` and what is under `own_folders` are in our own storage, whose the bucket ever is.
    """

    bucket_id: str
    storage_keys: list[str]
    image_id: str = ""
    own_keys: tuple[str, ...] = ()
    own_folders: tuple[str, ...] = ()


class BucketDeleted(Wire, frozen=True, tag="bucket-deleted"):
    """A bucket is gone: its images are tombstones that are to be cleared away."""

    bucket_id: str


class OrderFinished(Wire, frozen=True, tag="order-finished"):
    """An order is done or failed; the database says what came of it."""

    order_id: str
    state: Literal["done", "failed"]


class OrderDied(Wire, frozen=True, tag="order-died"):
    """An order failed at its last attempt and was refunded: somebody should look at it."""

    order_id: str
    request_id: str
    attempts: int
    failure: Failure


class Rendering(Wire, frozen=True, tag="rendering"):
    """So many of an order's prints are made. Said to who listens right now, and never kept."""

    done: int
    of: int


class Generating(Wire, frozen=True, tag="generating"):
    """The model is at work since so many seconds. Said to who listens right now, and never kept."""

    seconds: int


class Purged(Wire, frozen=True, tag="purged"):
    """Objects of a bucket that must not be served again as they were. Empty keys: all of it.

    Photos are at the root of the edge: their bucket is empty.
    """

    bucket: str
    keys: list[str]


class PolicyChanged(Wire, frozen=True, tag="policy-changed"):
    """Who may convert this account's images, or how, is different from now on."""

    account: str


Work = OrderAccepted | ImageDeleted | ObjectsDropped | BucketDeleted
News = Purged | PolicyChanged
"""What every edge must hear."""
Event = Work | OrderFinished | OrderDied | News


def order_subject(order_id: str) -> str:
    """Where an accepted order is announced to the pipeline."""
    return f"{ORDERS}.{order_id}"


def deletion_subject(image_id: str) -> str:
    """Where a tombstone is announced to the pipeline."""
    return f"{DELETIONS}.{image_id}"


def drop_subject(order_id: str) -> str:
    """Where it is announced what objects an order has made useless."""
    return f"{DROPS}.{order_id}"


def dead_subject(order_id: str) -> str:
    """Where an order lies that failed at its last attempt."""
    return f"{DEAD_ORDERS}.{order_id}"


def outcome_subject(order_id: str) -> str:
    """Where the gateway that waits for an order hears of its end."""
    return f"{EVENTS}.{order_id}"


def progress_subject(order_id: str) -> str:
    """Where who watches an order hears how it comes along."""
    return f"{PROGRESS}.{order_id}"


def purge_subject(bucket: str) -> str:
    """Where every edge hears what a bucket has lost."""
    return f"{PURGES}.{bucket}"
