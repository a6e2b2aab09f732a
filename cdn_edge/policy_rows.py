"""Policies as the database has them."""

from collections.abc import Mapping, Sequence

import structlog

from cdn_edge.grammar import SHAPING, Pairs, read_pairs
from cdn_edge.policies import Look
from cdn_edge.policy import Mode, Policy
from cdn_edge.sizes import read_box
from models.database import Database
from models.errors import BadRequest
from models.policies import PolicyRows, policy_rows
from models.records import Preset, UrlKey
from models.vault import Unsealable, seal, unseal

log = structlog.get_logger(__name__)


def policy_looker(database: Database, secret: str) -> Look:
    """Looks the policy of a bucket up by its public id."""

    async def look(public_id: str) -> Policy | None:
        rows = await database.read(policy_rows, public_id)
        return _policy(rows, secret) if rows else None

    return look


def sealed_secret(own: str, key_id: str, secret: str) -> str:
    """A URL key's own secret, sealed with the installation's: it opens for this key alone."""
    return seal(secret, own.encode(), _place(key_id))


def secret_of(key: UrlKey, secret: str) -> str:
    """A URL key's own secret, opened. Raises Unsealable."""
    return unseal(secret, key.sealed, _place(key.id)).decode()


def _place(key_id: str) -> str:
    return f"url-key {key_id}"


def _policy(rows: PolicyRows, secret: str) -> Policy:
    bucket = rows.bucket
    mode: Mode = bucket.conversion  # type: ignore[assignment]  # the gateway writes nothing else
    boxes = (read_box(text) for text in bucket.sizes)
    return Policy(
        account=bucket.account_id,
        bucket_id=bucket.id,
        mode=mode,
        sizes=tuple(box for box in boxes if box),
        presets=_presets(rows.presets),
        keys=_keys(rows.keys, secret),
        keep_originals=bucket.keep_originals,
        mezzanine=bucket.mezzanine,
    )


def _presets(rows: Sequence[Preset]) -> Mapping[str, Pairs]:
    """What cannot be read any more is as if it were not there: its addresses answer 404."""
    presets = {}
    for row in rows:
        try:
            presets[row.name] = read_pairs(row.parameters, SHAPING)
        except BadRequest:
            log.exception("a preset cannot be read", preset=row.name)
    return presets


def _keys(rows: Sequence[UrlKey], secret: str) -> Mapping[str, str]:
    keys = {}
    for row in rows:
        try:
            keys[row.id] = secret_of(row, secret)
        except Unsealable:
            log.error("a URL key is sealed with another CALOTYPE_SECRET", id=row.id)  # noqa: TRY400 the trace tells nothing
    return keys
