"""Who may do what: accounts, their default bucket, and the keys that speak for them."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import inspect
from sqlmodel import Session, col, or_, select, update

from models import ledger
from models.columns import now, storable
from models.errors import InvalidFields, NotFound, Problem
from models.records import Account, ApiKey, Bucket, new_id

DEFAULT_BUCKET = "snapix_default_bucket"
KEY_START = "sk_"

PERMISSIONS = (
    "images-read",
    "images-create",
    "images-update",
    "images-delete",
    "images-generate",
    "images-convert-fly",
    "galleries-read",
    "galleries-create",
    "galleries-update",
    "galleries-delete",
    "galleries-delete-with-images",
    "keys-manage",
    "buckets-manage",
)
READ_ONLY = ("images-read", "galleries-read")


# Every request asks these: written once, they cost half of what they would put together each time.
_KEY: Final = inspect(ApiKey).local_table.c
_KNOWN: Final = sa.select(_KEY.account_id, _KEY.id, _KEY.permissions).where(
    _KEY.digest == sa.bindparam("digest"),
    _KEY.revoked_at.is_(None),
    or_(_KEY.expires_at.is_(None), _KEY.expires_at > sa.bindparam("moment")),
)
_STANDING: Final = (
    sa.select(Bucket, Account)
    .join(Account, col(Account.id) == Bucket.account_id)
    .where(col(Bucket.account_id) == sa.bindparam("account"))
)
_PRIMARY: Final = _STANDING.where(col(Bucket.is_primary))
_NAMED: Final = _STANDING.where(
    col(Bucket.key) == sa.bindparam("key"), col(Bucket.deleted_at).is_(None)
)


class Standing(NamedTuple):
    """A bucket, and the account it belongs to."""

    bucket: Bucket
    account: Account


class Caller(NamedTuple):
    """Who is asking: the account, and what this key may do."""

    account_id: str
    key_id: str
    permissions: frozenset[str]


def new_key() -> str:
    """A fresh API key with 256 random bits."""
    return KEY_START + secrets.token_urlsafe(32)


def digest_of(key: str, secret: str) -> str:
    """What is stored of a key: an HMAC, useless without the secret of this installation.

    A fast hash is enough here: the key is 256 random bits, nobody can guess it.
    """
    return hmac.new(secret.encode(), key.encode(), hashlib.sha256).hexdigest()


def open_account(session: Session, name: str, opening: int, storage: int) -> Account:
    """A new account with its default bucket and its first credits in the ledger."""
    if session.exec(select(Account).where(Account.name == name)).first():
        raise InvalidFields(
            [Problem(field="name", problem=f"there is already an account '{name}'")]
        )
    account = Account(name=name, storage_total=storage)
    session.add(account)
    session.flush()
    session.add(_default_bucket(account.id))
    ledger.grant(session, account.id, f"opening:{account.id}", ledger.Amount(opening, 0))
    return account


def _default_bucket(account_id: str) -> Bucket:
    # 128 random bits in letters and digits: it stands in every URL and must not be guessable.
    public_id = secrets.token_hex(16)
    return Bucket(account_id=account_id, key=DEFAULT_BUCKET, public_id=public_id, is_primary=True)


def find_account(session: Session, name: str) -> Account:
    """The account with this name, or NotFound."""
    account = session.exec(select(Account).where(Account.name == name)).first()
    if account is None:
        raise NotFound(f"There is no account '{name}'.")
    return account


def list_accounts(session: Session) -> list[Account]:
    """Every account, oldest first."""
    return list(session.exec(select(Account).order_by(col(Account.created_at))))


def give_credits(session: Session, name: str, amount: ledger.Amount) -> Account:
    """Give an account more credits, or take some back with negative numbers."""
    account = find_account(session, name)
    ledger.grant(session, account.id, f"grant:{new_id()}", amount)
    session.refresh(account)
    return account


def primary_bucket(session: Session, account_id: str) -> Bucket:
    """Where an account's images go when nothing else is said."""
    return standing(session, account_id).bucket


def standing(session: Session, account_id: str, key: str | None = None) -> Standing:
    """An account and its bucket with this key, the primary one without; NotFound when none.

    Together because who lists a bucket also says how the account stands.
    """
    asked = {"account": account_id, "key": key}
    if not key:
        found = session.execute(_PRIMARY, asked).first()
        if found is None:
            raise NotFound(f"There is no account with the id '{account_id}'.")
        return Standing(*found)
    named = session.execute(_NAMED, asked).first() if storable(key) else None
    if named is None:
        raise InvalidFields([Problem(field="bucketKey", problem=f"there is no bucket '{key}'")])
    return Standing(*named)


def get_bucket(session: Session, bucket_id: str) -> Bucket:
    """The bucket with this id, of whatever account."""
    return session.get_one(Bucket, bucket_id)


def find_bucket(session: Session, account_id: str, key: str | None) -> Bucket:
    """The account's bucket with this key, its primary one without; NotFound when none."""
    return standing(session, account_id, key).bucket


def add_key(
    session: Session,
    account_id: str,
    name: str,
    digest: str,
    hint: str,
    permissions: Sequence[str] = READ_ONLY,
) -> ApiKey:
    """Keep a key's digest. InvalidFields names a permission that does not exist."""
    unknown = [name for name in permissions if name not in PERMISSIONS]
    if unknown:
        problem = f"there is no permission '{unknown[0]}'; there are: {', '.join(PERMISSIONS)}"
        raise InvalidFields([Problem(field="permissions", problem=problem)])
    key = ApiKey(
        account_id=account_id, name=name, digest=digest, hint=hint, permissions=list(permissions)
    )
    session.add(key)
    return key


def list_keys(session: Session, account_id: str | None = None) -> list[tuple[ApiKey, str]]:
    """Keys with the names of their accounts, oldest first; revoked ones too."""
    found = select(ApiKey, Account.name).join(Account, col(Account.id) == ApiKey.account_id)
    if account_id:
        found = found.where(ApiKey.account_id == account_id)
    return [(key, name) for key, name in session.exec(found.order_by(col(ApiKey.created_at)))]


def revoke_key(session: Session, key_id: str) -> None:
    """Make a key useless from now on. NotFound when there is none, or it is revoked already."""
    revoked = session.exec(
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now())
    )
    if revoked.rowcount != 1:
        raise NotFound(f"There is no active key with the id '{key_id}'.")


def authenticate(session: Session, digest: str, moment: datetime) -> Caller | None:
    """Who a key speaks for at this moment, or None: unknown, expired or revoked."""
    asked = {"digest": digest, "moment": moment}
    found = session.connection().execute(_KNOWN, asked).first()
    return Caller(found[0], found[1], frozenset(found[2])) if found else None
