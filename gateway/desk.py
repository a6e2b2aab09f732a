"""The front desk: accounts and keys as the command line shows them."""

from typing import Any

from sqlmodel import Session

from gateway.edge_urls import Signer, ToSign, sign_url
from gateway.passwords import hash_password
from gateway.urls import signed_view
from gateway.views import iso
from models import accounts as book
from models import users as guests
from models.ledger import Amount
from models.records import Account

Row = dict[str, Any]


def create_key(
    session: Session, secret: str, account: str, name: str, permissions: tuple[str, ...]
) -> Row:
    """A new key of an account, in clear this once."""
    owner = book.find_account(session, account)
    granted = book.PERMISSIONS if "all" in permissions else permissions or book.READ_ONLY
    key = book.new_key()
    digest = book.digest_of(key, secret)
    kept = book.add_key(session, owner.id, name, digest, key[-4:], granted)
    return {"id": kept.id, "key": key, "account": account, "permissions": kept.permissions}


def keys(session: Session) -> list[Row]:
    """Every key, without the key."""
    return [
        {
            "id": key.id,
            "account": account,
            "name": key.name,
            "ends": f"...{key.hint}",
            "permissions": " ".join(key.permissions),
            "created": iso(key.created_at),
            "revoked": key.revoked_at and iso(key.revoked_at),
        }
        for key, account in book.list_keys(session)
    ]


def sign(session: Session, account: str, asked: ToSign, signer: Signer) -> Row:
    """A signed address."""
    owner = book.find_account(session, account)
    return signed_view(sign_url(session, owner.id, asked, signer))


def create_account(session: Session, name: str, credit: int, storage: int) -> Row:
    """A new account."""
    return _account(book.open_account(session, name, credit, storage))


def accounts(session: Session) -> list[Row]:
    """Every account."""
    return [_account(account) for account in book.list_accounts(session)]


def give(session: Session, name: str, free: int, paid: int) -> Row:
    """The account after it got so many credits of each kind."""
    return _account(book.give_credits(session, name, Amount(free, paid)))


def create_user(session: Session, account: str, alias: str, password: str) -> Row:
    """A new user of an account."""
    guests.check_password(password)
    user = guests.add_user(session, account, alias, hash_password(password))
    return {"id": user.id, "alias": user.alias, "account": account}


def change_password(session: Session, alias: str, password: str) -> Row:
    """The user, who has another password now."""
    guests.check_password(password)
    user = guests.set_password(session, alias, hash_password(password))
    return {"id": user.id, "alias": user.alias}


def users(session: Session) -> list[Row]:
    """Every user, without the password."""
    return [
        {"id": user.id, "alias": user.alias, "account": account, "created": iso(user.created_at)}
        for user, account in guests.list_users(session)
    ]


def _account(account: Account) -> Row:
    return {
        "id": account.id,
        "name": account.name,
        "credits": account.credits_free + account.credits_paid,
        "paid": account.credits_paid,
        "storage": f"{account.storage_used} of {account.storage_total}",
    }
