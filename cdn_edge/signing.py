"""Signed URLs: who has the key says what may be made, and until when."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final, NamedTuple

from cdn_edge.grammar import read_pairs, read_values
from models.errors import Expired, WrongSignature

_MARK: Final = "&s="
_YEAR: Final = 31_536_000


class Signature(NamedTuple):
    """What a signed query says of itself."""

    expires: int | None


def new_secret() -> str:
    """The secret of a URL key: its characters, as they are, are what HMAC is given."""
    return "us_" + secrets.token_urlsafe(32)


def new_key_id() -> str:
    """The public name of a URL key."""
    return secrets.token_hex(6)


def signed(path: str, query: str, key_id: str, secret: str) -> str:
    """The query with `k` and `s` after it: all of it, and the path, are signed.

    The signature is base64url, without padding, of HMAC-SHA256 over `path?query&k=key_id`.
    """
    named = f"{query}&k={key_id}" if query else f"k={key_id}"
    return f"{named}{_MARK}{_hmac(path, named, secret)}"


def check(path: str, query: str, keys: Mapping[str, str], now: float) -> Signature:
    """What a signed query says of itself, if it is true; path as decoded, query as it came.

    Raises WrongSignature, Expired or BadRequest.
    """
    named, _, given = query.rpartition(_MARK)
    pairs = read_pairs(named)
    values = read_values({name: pairs[name] for name in ("k", "exp") if name in pairs})
    secret = keys.get(values.get("k", ""), "")
    if not hmac.compare_digest(_hmac(path, named, secret).encode(), given.encode()) or not secret:
        raise WrongSignature
    expires: int | None = values.get("exp")
    if expires is not None and expires <= now:
        raise Expired
    return Signature(expires)


def freshness(usual: str, expires: int | None, now: float) -> str:
    """The Cache-Control of an answer: as usual, but never beyond the end of its signature."""
    left = _YEAR if expires is None else int(expires - now)
    if expires is None or left >= _age(usual):
        return usual
    return f"public, max-age={max(0, left)}"


def _age(control: str) -> int:
    """All the seconds that a Cache-Control of ours allows, stale ones too."""
    parts = (part.strip().partition("=") for part in control.split(","))
    return sum(int(value) for _, _, value in parts if value.isdigit())


def _hmac(path: str, query: str, secret: str) -> str:
    digest = hmac.new(secret.encode(), f"{path}?{query}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
