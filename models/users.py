"""Users: who logs in to the photo API, and the tokens that speak for them."""

import re
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from sqlmodel import Session, col, delete, or_, select

from models.accounts import Caller, find_account
from models.columns import storable
from models.errors import InvalidFields, NotFound, Problem
from models.records import Account, Token, User

LOG_OUT = "log-out"
MAY = frozenset(("images-read", "images-create", "images-delete", LOG_OUT))
"""What a token may do. No API key can have the last one: it is revoked instead."""

LONGEST_PASSWORD = 1024
SHORTEST_PASSWORD = 8

_ALIAS = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Known(NamedTuple):
    """A user with the name of the account."""

    user: User
    account: str


def new_token() -> str:
    """A fresh token: a UUID with 122 random bits."""
    return str(uuid4())


def spelled(alias: str) -> str:
    """An alias as it is kept: upper and lower case do not matter."""
    return alias.strip().lower()


def check_password(password: str) -> None:
    """Raise InvalidFields for a new password that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        problem = f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        raise InvalidFields([Problem(field="password", problem=problem)])


def add_user(session: Session, account: str, alias: str, password_hash: str) -> User:
    """A new user of an account. InvalidFields when the alias is taken or cannot be one."""
    owner = find_account(session, account)
    alias = spelled(alias)
    if not _ALIAS.fullmatch(alias):
        problem = "must be 1 to 64 letters, digits, '.', '_', '@' and '-'"
        raise InvalidFields([Problem(field="alias", problem=problem)])
    if find_user(session, alias):
        problem = f"there is already a user '{alias}'"
        raise InvalidFields([Problem(field="alias", problem=problem)])
    user = User(account_id=owner.id, alias=alias, password_hash=password_hash)
    session.add(user)
    session.flush()
    return user


def find_user(session: Session, alias: str) -> User | None:
    """The user with this alias."""
    possible = [spelled(alias)] if storable(alias) else []
    return session.exec(select(User).where(col(User.alias).in_(possible))).first()


def list_users(session: Session) -> list[Known]:
    """Every user, oldest first."""
    found = select(User, Account.name).join(Account, col(Account.id) == User.account_id)
    return [Known(*row) for row in session.exec(found.order_by(col(User.created_at)))]


def set_password(session: Session, alias: str, password_hash: str) -> User:
    """Give a user another password; what logged in with the old one is logged out."""
    user = _existing(session, alias)
    user.password_hash = password_hash
    session.exec(delete(Token).where(col(Token.user_id) == user.id))
    return user


def remove_user(session: Session, alias: str) -> None:
    """Take a user away with all tokens. The photos stay: they are the account's."""
    user = _existing(session, alias)
    session.exec(delete(Token).where(col(Token.user_id) == user.id))
    session.exec(delete(User).where(col(User.id) == user.id))


def _existing(session: Session, alias: str) -> User:
    user = find_user(session, alias)
    if user is None:
        raise NotFound(f"There is no user '{spelled(alias)}'.")
    return user


def log_in(
    session: Session, user: User, digest: str, moment: datetime, until: datetime | None
) -> None:
    """Keep a new token's digest, and forget the user's tokens that have run out.

    NotFound when the password was changed, or the user removed, since `user` was read.
    """
    now = session.get(User, user.id, with_for_update=True)
    if now is None or now.password_hash != user.password_hash:
        raise NotFound
    session.exec(delete(Token).where(col(Token.user_id) == user.id, col(Token.expires_at) < moment))
    session.add(Token(user_id=user.id, digest=digest, expires_at=until))


def authenticate_token(session: Session, digest: str, moment: datetime) -> Caller | None:
    """Who a token speaks for at this moment, or None: unknown, run out or logged out."""
    known = (
        select(User.account_id, Token.id)
        .join(Token, col(Token.user_id) == User.id)
        .where(Token.digest == digest)
        .where(or_(col(Token.expires_at).is_(None), col(Token.expires_at) > moment))
    )
    found = session.exec(known).first()
    return Caller(found[0], found[1], MAY) if found else None


def log_out(session: Session, token_id: str) -> None:
    """Make a token useless from now on."""
    session.exec(delete(Token).where(col(Token.id) == token_id))
