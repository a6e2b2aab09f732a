"""The tables. Rows only: what they mean to each other is said in ledger, orders and library."""

from datetime import datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    LargeBinary,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from models.cards import Card
from models.columns import Json, UtcTime, now
from models.events import Change, Failure, Original
from models.generation import Generated, Generation
from models.recipe import Recipe

# Every constraint has a name, so that a later migration can find it on both databases.
_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


BLINDLY: Final = {"synchronize_session": False}
"""For an update that need not look for the rows it changes among those the session has read."""


def new_id() -> str:
    """A random UUID, as text."""
    return str(uuid4())


class Record(SQLModel):
    """What every table allows: columns of our own frozen values."""

    model_config = {"arbitrary_types_allowed": True}
    metadata = MetaData(naming_convention=_NAMES)


class Account(Record, table=True):
    """Who pays. Credits of paid plans are spent last; storage counts bytes of variants."""

    __table_args__ = (
        CheckConstraint("credits_free >= 0", "credits_free_not_negative"),
        CheckConstraint("credits_paid >= 0", "credits_paid_not_negative"),
        CheckConstraint("storage_used >= 0", "storage_used_not_negative"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True)
    credits_free: int = 0
    credits_paid: int = 0
    storage_used: int = Field(default=0, sa_type=BigInteger)
    storage_total: int = Field(default=0, sa_type=BigInteger)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class ApiKey(Record, table=True):
    """A secret that speaks for an account. Only its digest is kept."""

    __tablename__ = "api_key"

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    name: str
    digest: str = Field(unique=True)
    hint: str
    permissions: list[str] = Field(sa_type=Json(list[str]))
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class User(Record, table=True):
    """Somebody who logs in to the photo API of an account. `alias` is in small letters."""

    __tablename__ = "users"

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    alias: str = Field(unique=True)
    password_hash: str
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Token(Record, table=True):
    """What a user got for the right password. Only its digest is kept."""

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    digest: str = Field(unique=True)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Bucket(Record, table=True):
    """A place to keep objects. `public_id` is its first path segment on the edge.

    One with an `endpoint` is the customer's own S3; its `credentials` are sealed. `image_count`
    counts the ready images: a list of a million must not count them for every page. A deleted one
    stays as a row for the orders that name it. `conversion` says who may convert at the edge
    without a signature: nobody ("signed"), who keeps to `sizes` ("sizes"), or anybody ("open").
    """

    __table_args__ = (
        Index(
            "ix_bucket_key",
            "account_id",
            "key",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
            sqlite_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_bucket_primary",
            "account_id",
            unique=True,
            postgresql_where=text("is_primary"),
            sqlite_where=text("is_primary"),
        ),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    key: str
    public_id: str = Field(unique=True)
    name: str = ""
    is_primary: bool = False
    image_count: int = 0
    endpoint: str | None = None
    region: str | None = None
    remote_bucket: str | None = None
    prefix: str = ""
    public_url: str | None = None
    credentials: str | None = None
    conversion: str = "signed"
    sizes: list[str] = Field(default_factory=list, sa_type=Json(list[str]))
    keep_originals: bool = False
    mezzanine: bool = True
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcTime)
    objects_go: bool = False


class Preset(Record, table=True):
    """A named conversion: the edge's parameters under a name of the account's own."""

    account_id: str = Field(foreign_key="account.id", primary_key=True)
    name: str = Field(primary_key=True)
    parameters: str
    updated_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class UrlKey(Record, table=True):
    """A key that signs addresses of the edge; its secret is sealed."""

    __tablename__ = "url_key"

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    name: str
    sealed: str
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Order(Record, table=True):
    """One paid request: an original and its recipes, one list of recipes for each image.

    An update names the `image_id` whose variants it replaces; `change` is what becomes of the
    image besides its variants, when they are there. `begun` counts the workers that took it again
    and were not heard of since; `parked_at` is when it became a dead letter, as long as it is one.

    A `generation` is what a model is asked for; until `generated` says what it answered,
    `staging_key` is the template's. One worker at a time asks, and holds the order `held_until`.
    """

    __tablename__ = "orders"
    __table_args__ = (
        Index(
            "ix_orders_pending",
            "created_at",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        Index(
            "ix_orders_waiting",
            "bucket_id",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        Index(
            "ix_orders_parked",
            "parked_at",
            postgresql_where=text("parked_at IS NOT NULL"),
            sqlite_where=text("parked_at IS NOT NULL"),
        ),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    bucket_id: str = Field(foreign_key="bucket.id")
    kind: str = "upload"
    state: str = "pending"
    image_id: str | None = None
    prefix: str = ""
    unique_keys: bool = False
    change: Change | None = Field(default=None, sa_type=Json(Change))
    staging_key: str
    original: Original = Field(sa_type=Json(Original))
    asked: list[list[Recipe]] = Field(sa_type=Json(list[list[Recipe]]))
    generation: Generation | None = Field(default=None, sa_type=Json(Generation))
    generated: Generated | None = Field(default=None, sa_type=Json(Generated))
    held_until: datetime | None = Field(default=None, sa_type=UtcTime)
    cost_free: int = 0
    cost_paid: int = 0
    attempts: int = 0
    begun: int = 0
    failure: Failure | None = Field(default=None, sa_type=Json(Failure))
    request_id: str = ""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcTime)
    parked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Photo(Record, table=True):
    """An id that was given to a photo, for ever: what is deleted stays known as deleted."""

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    alt_text: str | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Image(Record, table=True):
    """The variants of one requested size.

    `size` is what its variants count as storage, `kept_size` what its kept original does.
    One with a `photo_id` is a photo: its one variant is at the root of the edge.
    """

    __table_args__ = (
        Index("ix_image_list", "account_id", "bucket_id", "state", "created_at", "id"),
        Index(
            "ix_image_ungrouped",
            "account_id",
            "bucket_id",
            "created_at",
            "id",
            postgresql_where=text("state = 'ready' AND gallery_count = 0"),
            sqlite_where=text("state = 'ready' AND gallery_count = 0"),
        ),
        Index(
            "ix_image_photo",
            "photo_id",
            unique=True,
            postgresql_where=text("photo_id IS NOT NULL"),
            sqlite_where=text("photo_id IS NOT NULL"),
        ),
        Index(
            "ix_image_photos",
            "account_id",
            "created_at",
            "id",
            postgresql_where=text("state = 'ready' AND photo_id IS NOT NULL"),
            sqlite_where=text("state = 'ready' AND photo_id IS NOT NULL"),
        ),
        Index(
            "ix_image_deleted",
            "updated_at",
            postgresql_where=text("state = 'deleted'"),
            sqlite_where=text("state = 'deleted'"),
        ),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    bucket_id: str = Field(foreign_key="bucket.id")
    order_id: str = Field(foreign_key="orders.id", index=True)
    position: int = 0
    photo_id: str | None = Field(default=None, foreign_key="photo.id")
    state: str = "pending"
    prefix: str = ""
    gallery_count: int = 0
    name: str
    description: str | None = None
    original: Original = Field(sa_type=Json(Original))
    card: Card | None = Field(default=None, sa_type=Json(Card))
    size: int = Field(default=0, sa_type=BigInteger)
    kept_size: int = Field(default=0, sa_type=BigInteger)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Variant(Record, table=True):
    """What was made: a row, an object.

    `object_key` is what the world sees, `storage_key` where the bytes are: a replaced image keeps
    the first and changes the second.
    """

    __table_args__ = (
        UniqueConstraint("bucket_id", "object_key"),
        UniqueConstraint("image_id", "id_suffix", "format"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    image_id: str = Field(foreign_key="image.id")
    bucket_id: str = Field(foreign_key="bucket.id")
    position: int
    id_suffix: str
    object_key: str
    storage_key: str
    format: str
    content_type: str
    extension: str
    width: int
    height: int
    size: int = Field(sa_type=BigInteger)
    sha256: str
    counted: bool = True
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Master(Record, table=True):
    """What derivatives of an image start from, beside its variants: never seen by the world.

    Its `kind` is mezzanine (the near-lossless working copy) or original, where that is kept. It is
    in our own storage, also for a customer's bucket. `whole` says that the image is its original
    made larger or smaller: nothing cut off, added, bent or turned.
    """

    __table_args__ = (UniqueConstraint("image_id", "kind"),)

    id: str = Field(default_factory=new_id, primary_key=True)
    image_id: str = Field(foreign_key="image.id")
    kind: str
    whole: bool
    storage_key: str
    format: str
    width: int
    height: int
    size: int = Field(sa_type=BigInteger)
    sha256: str


class Gallery(Record, table=True):
    """A named set of images of one bucket. A public one can be looked at without a key."""

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    bucket_id: str = Field(foreign_key="bucket.id")
    name: str
    is_public: bool = False
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    updated_at: datetime | None = Field(default=None, sa_type=UtcTime)


class GalleryImage(Record, table=True):
    """An image is in a gallery, whose images are in the order they were added."""

    __tablename__ = "gallery_image"
    __table_args__ = (Index("ix_gallery_image_order", "gallery_id", "added_at", "image_id"),)

    gallery_id: str = Field(foreign_key="gallery.id", primary_key=True)
    image_id: str = Field(foreign_key="image.id", primary_key=True, index=True)
    added_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Replay(Record, table=True):
    """An Idempotency-Key in use, and the answer it got: the same request gets it again."""

    account_id: str = Field(foreign_key="account.id", primary_key=True)
    route: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: str
    order_id: str | None = None
    status: int | None = None
    content_type: str = ""
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime, index=True)


class LedgerEntry(Record, table=True):
    """One movement of credits, never changed. The sum of an account's entries is its balance.

    An operation opens once (grant, reserve) and closes once (capture or refund): its key says so.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("operation_id", "step"),
        Index(
            "ix_ledger_reserved",
            "created_at",
            postgresql_where=text("kind = 'reserve'"),
            sqlite_where=text("kind = 'reserve'"),
        ),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    operation_id: str
    step: str
    kind: str
    free: int = 0
    paid: int = 0
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Outbox(Record, table=True):
    """An event that is true since its transaction, and said on the bus until it is heard.

    `carried` are the headers it is said with: whose work it was, and its trace.
    """

    __table_args__ = (
        Index(
            "ix_outbox_unsent",
            "created_at",
            postgresql_where=text("sent_at IS NULL"),
            sqlite_where=text("sent_at IS NULL"),
        ),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    subject: str
    payload: bytes = Field(sa_type=LargeBinary)
    carried: dict[str, str] = Field(default_factory=dict, sa_type=Json(dict[str, str]))
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcTime)
