"""What an account says about conversion at the edge: presets and URL keys."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from models.accounts import DEFAULT_BUCKET
from models.columns import now, storable
from models.errors import Conflict, NotFound
from models.events import PolicyChanged, purge_subject
from models.outgoing import announce
from models.records import Bucket, Preset, UrlKey

MOST_PRESETS = 256
MOST_URL_KEYS = 16


class PolicyRows(NamedTuple):
    """Everything that the edge's policy for a bucket is made from."""

    bucket: Bucket
    presets: Sequence[Preset]
    keys: Sequence[UrlKey]


def policy_rows(session: Session, public_id: str) -> PolicyRows | None:
    """The rows behind a bucket's public id; None when there is no such bucket."""
    standing = select(Bucket).where(Bucket.public_id == public_id, col(Bucket.deleted_at).is_(None))
    bucket = session.exec(standing).first()
    if bucket is None:
        return None
    account = bucket.account_id
    return PolicyRows(bucket, list_presets(session, account), list_url_keys(session, account))


def list_presets(session: Session, account_id: str) -> Sequence[Preset]:
    """The account's presets, by name."""
    ours = select(Preset).where(Preset.account_id == account_id)
    return session.exec(ours.order_by(col(Preset.name))).all()


def find_preset(session: Session, account_id: str, name: str) -> Preset:
    """One preset, or NotFound."""
    preset = session.get(Preset, (account_id, name)) if storable(name) else None
    if preset is None:
        raise NotFound(f"There is no preset '{name}'.")
    return preset


def put_preset(session: Session, account_id: str, name: str, parameters: str) -> Preset:
    """Make a preset, or change what it stands for: every edge knows within a second."""
    _lock(session, account_id)
    preset = session.get(Preset, (account_id, name), populate_existing=True)
    if preset is None:
        if len(list_presets(session, account_id)) >= MOST_PRESETS:
            raise Conflict(f"There are {MOST_PRESETS} presets already, no account may have more.")
        preset = Preset(account_id=account_id, name=name, parameters=parameters)
    preset.parameters, preset.updated_at = parameters, now()
    session.add(preset)
    announce_policy(session, account_id)
    return preset


def delete_preset(session: Session, account_id: str, name: str) -> None:
    """Addresses that name it answer 404 within a second."""
    session.delete(find_preset(session, account_id, name))
    announce_policy(session, account_id)


def list_url_keys(session: Session, account_id: str) -> Sequence[UrlKey]:
    """The account's URL keys, oldest first."""
    ours = select(UrlKey).where(UrlKey.account_id == account_id)
    return session.exec(ours.order_by(col(UrlKey.created_at), col(UrlKey.id))).all()


def add_url_key(session: Session, account_id: str, key_id: str, name: str, sealed: str) -> UrlKey:
    """A key that signs from now on, beside those there are."""
    _lock(session, account_id)
    if len(list_url_keys(session, account_id)) >= MOST_URL_KEYS:
        raise Conflict(f"There are {MOST_URL_KEYS} URL keys already: delete one that is not used.")
    key = UrlKey(id=key_id, account_id=account_id, name=name, sealed=sealed)
    session.add(key)
    announce_policy(session, account_id)
    return key


def delete_url_key(session: Session, account_id: str, key_id: str) -> None:
    """What it signed is refused within a second."""
    session.delete(find_url_key(session, account_id, key_id))
    announce_policy(session, account_id)


def find_url_key(session: Session, account_id: str, key_id: str) -> UrlKey:
    """One URL key of this account, or NotFound."""
    key = session.get(UrlKey, key_id) if storable(key_id) else None
    if key is None or key.account_id != account_id:
        raise NotFound("There is no URL key with this id.")
    return key


def announce_policy(session: Session, account_id: str) -> None:
    """Have every edge look again who may convert this account's images."""
    announce(session, purge_subject(account_id), PolicyChanged(account=account_id))


def _lock(session: Session, account_id: str) -> None:
    """So that two requests do not both add the last one that is allowed."""
    default = select(Bucket.id).where(Bucket.account_id == account_id, Bucket.key == DEFAULT_BUCKET)
    session.exec(default.with_for_update(key_share=True)).one()
