"""Keys that keys make and change: none gives more, or for longer, than it has itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from models.accounts import PERMISSIONS, Caller, add_key
from models.columns import now, storable
from models.errors import Forbidden, InvalidFields, MissingPermission, NotFound, Problem
from models.records import ApiKey

_LONGEST = timedelta(days=36_525)  # a century: beyond it are dates that databases cannot keep


class Asked(NamedTuple):
    """How a key is to be: a change of it says None where it stays."""

    name: str | None
    permissions: Sequence[str] | None
    term: "Term | None"


class Term(NamedTuple):
    """When a key ends; None is never."""

    expires_at: datetime | None


def make_key(session: Session, caller: Caller, asked: Asked, digest: str, hint: str) -> ApiKey:
    """A new key of the caller's account. Forbidden names what the caller's own key lacks."""
    permissions = _known(asked.permissions or [])
    term = asked.term or Term(None)
    refuse_past(term)
    _refuse_more(session, caller, permissions, term)
    key = add_key(session, caller.account_id, asked.name or "", digest, hint, permissions)
    key.expires_at = term.expires_at
    return key


def change_key(session: Session, caller: Caller, key_id: str, asked: Asked) -> ApiKey:
    """Rename a key, or change what it may do and until when.

    A key that may do more than the caller's can be renamed or revoked, not given back its time.
    """
    key = find_key(session, caller.account_id, key_id)
    if asked.name is not None:
        key.name = asked.name
    if asked.permissions is not None or asked.term is not None:
        permissions = key.permissions if asked.permissions is None else _known(asked.permissions)
        if asked.term is not None:
            refuse_past(asked.term)
        term = asked.term or Term(key.expires_at)
        _refuse_more(session, caller, permissions, term)
        key.permissions, key.expires_at = permissions, term.expires_at
    return key


def find_key(session: Session, account_id: str, key_id: str) -> ApiKey:
    """A key of this account that is not revoked, kept from others until the transaction ends."""
    possible = [key_id] if storable(key_id) else []
    found = select(ApiKey).where(
        col(ApiKey.id).in_(possible),
        ApiKey.account_id == account_id,
        col(ApiKey.revoked_at).is_(None),
    )
    key = session.exec(found.with_for_update()).first()
    if key is None:
        raise NotFound("There is no active key with this id.")
    return key


def end_key(session: Session, account_id: str, key_id: str) -> None:
    """Make a key of this account useless from now on."""
    find_key(session, account_id, key_id).revoked_at = now()


def _known(permissions: Sequence[str]) -> list[str]:
    problems = [
        Problem(field=f"permissions[{place}]", problem=f"must be one of: {', '.join(PERMISSIONS)}")
        for place, permission in enumerate(permissions)
        if permission not in PERMISSIONS
    ]
    if problems:
        raise InvalidFields(problems)
    return list(dict.fromkeys(permissions))


def refuse_past(term: Term) -> None:
    """Raise InvalidFields unless the term ends within a century from now, or never."""
    moment = now()
    if term.expires_at is not None and not moment < term.expires_at < moment + _LONGEST:
        problem = "must be a moment to come, within a century"
        raise InvalidFields([Problem(field="expiresAt", problem=problem)])


def _refuse_more(session: Session, caller: Caller, permissions: Sequence[str], term: Term) -> None:
    lacking = [permission for permission in permissions if permission not in caller.permissions]
    if lacking:
        raise MissingPermission(lacking[0])
    end = session.get_one(ApiKey, caller.key_id).expires_at
    if end is not None and (term.expires_at is None or term.expires_at > end):
        raise Forbidden(f"No key outlives the one that makes it: expiresAt is {end} at most.")
