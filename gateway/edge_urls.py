"""Signed addresses of the edge: what is asked, put into its grammar and signed."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlmodel import Session

from cdn_edge.grammar import SENDING, SHAPING, Pairs, read_values, read_wanted, write_pairs
from cdn_edge.keys import read_path
from cdn_edge.policy_rows import sealed_secret, secret_of
from cdn_edge.signing import new_key_id, new_secret, signed
from models.accounts import primary_bucket
from models.buckets import list_buckets, own_bucket
from models.errors import Conflict, InvalidFields, NotFound, Problem
from models.photos import has_photo
from models.policies import add_url_key, find_preset, find_url_key, list_url_keys
from models.records import UrlKey
from models.vault import Unsealable

Parameters = Mapping[str, str | int | float]
"""Parameters of the grammar by name, numbers as numbers if one likes."""

FIRST_KEY = "first"


class ToSign(NamedTuple):
    """An object of a bucket or a whole address of the edge, what to make of it, and until when.

    Without a bucket it is the primary one, without a key the newest.
    """

    object_key: str | None
    url: str | None
    pairs: Pairs
    bucket_key: str | None = None
    expires_at: datetime | None = None
    key_id: str | None = None


class Signed(NamedTuple):
    """An address, and the key that signed it."""

    url: str
    key_id: str
    expires_at: datetime | None


class Signer(NamedTuple):
    """Who signs: the installation's secret opens keys, the edge's public address begins URLs."""

    secret: str
    edge: str


def read_parameters(given: Parameters, *, preset: bool = False) -> Pairs:
    """Checked parameters as texts. InvalidFields names each that is wrong, with its path.

    A preset has none that are about sending, and none of another preset.
    """
    known = SHAPING if preset else {**SHAPING, **SENDING}
    pairs = {name.lower(): str(value) for name, value in given.items()}
    problems = [
        Problem(field=f"parameters.{name[:32]}", problem=f"must be one of: {', '.join(known)}")
        for name in pairs
        if name not in known
    ]
    if problems or len(pairs) < len(given):
        raise InvalidFields(problems or [Problem(field="parameters", problem="names one twice")])
    try:
        read_values(pairs)
        read_wanted(pairs)
    except InvalidFields as error:
        raise InvalidFields([_within(problem) for problem in error.problems]) from None
    return pairs


def _within(problem: Problem) -> Problem:
    return msgspec.structs.replace(problem, field=f"parameters.{problem.field}")


def sign_url(session: Session, account_id: str, asked: ToSign, signer: Signer) -> Signed:
    """A signed address of this account's. The first one makes the account's first URL key.

    Raises InvalidFields or NotFound.
    """
    path = _path_of(session, account_id, asked, signer.edge)
    if "preset" in asked.pairs:
        find_preset(session, account_id, asked.pairs["preset"])
    key = _key(session, account_id, asked.key_id, signer.secret)
    query = signed(path, _timed(asked), key.id, _opened(key, signer.secret))
    return Signed(f"{signer.edge}{path}?{query}", key.id, asked.expires_at)


def _opened(key: UrlKey, secret: str) -> str:
    try:
        return secret_of(key, secret)
    except Unsealable:
        raise Conflict(
            f"The URL key '{key.id}' was made under another CALOTYPE_SECRET: make a new one."
        ) from None


def _timed(asked: ToSign) -> str:
    """The query, with the whole second that it ends in."""
    ends = {"exp": str(int(asked.expires_at.timestamp()))} if asked.expires_at else {}
    return write_pairs({**asked.pairs, **ends})


def _key(session: Session, account_id: str, key_id: str | None, secret: str) -> UrlKey:
    if key_id is not None:
        return find_url_key(session, account_id, key_id)
    keys = list_url_keys(session, account_id)
    return keys[-1] if keys else make_url_key(session, account_id, FIRST_KEY, secret)[0]


def make_url_key(session: Session, account_id: str, name: str, secret: str) -> tuple[UrlKey, str]:
    """A new URL key, and its own secret in clear."""
    key_id, own = new_key_id(), new_secret()
    return add_url_key(session, account_id, key_id, name, sealed_secret(own, key_id, secret)), own


def _path_of(session: Session, account_id: str, asked: ToSign, edge: str) -> str:
    """The path that is meant. Raises InvalidFields, or NotFound for a bucket."""
    if (asked.url is None) == (asked.object_key is None):
        raise _wrong("objectKey", "is missing: give objectKey, or url")
    if asked.url is not None:
        return _path_of_url(session, account_id, asked.url, edge)
    if has_photo(session, account_id, asked.object_key or ""):
        return f"/{asked.object_key}"
    if asked.bucket_key is None:
        bucket = primary_bucket(session, account_id)
    else:
        bucket = own_bucket(session, account_id, asked.bucket_key)
    return _known(f"/{bucket.public_id}/{asked.object_key}", "objectKey")


def _path_of_url(session: Session, account_id: str, url: str, edge: str) -> str:
    if not url.startswith(f"{edge}/") or "?" in url or "#" in url:
        raise _wrong("url", f"must be an address that begins with {edge}/, without parameters")
    path = _known(url.removeprefix(edge), "url")
    address = read_path(path)
    ours = {bucket.public_id for bucket in list_buckets(session, account_id)}
    if address and address.bucket and address.bucket not in ours:
        raise NotFound("This address is not in a bucket of yours.")
    return path


def _known(path: str, field: str) -> str:
    if read_path(path) is None:
        raise _wrong(field, "is not the address of an image")
    return path


def _wrong(field: str, problem: str) -> InvalidFields:
    return InvalidFields([Problem(field=field, problem=problem)])
