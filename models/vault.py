"""The vault: secrets of customers, sealed so that a copy of the database tells none of them."""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = "v1."
_NONCE = 12  # bytes; AES-GCM's own size


class Unsealable(Exception):
    """Sealed with another secret or for another place, or damaged."""


def seal(secret: str, plain: bytes, place: str) -> str:
    """`plain` as text that only this installation's secret opens, and only at this `place`."""
    nonce = os.urandom(_NONCE)
    sealed = _cipher(secret).encrypt(nonce, plain, place.encode())
    return _VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(secret: str, text: str, place: str) -> bytes:
    """What was sealed. Raises Unsealable."""
    try:
        raw = base64.b64decode(text.removeprefix(_VERSION), b"-_", validate=True)
        return _cipher(secret).decrypt(raw[:_NONCE], raw[_NONCE:], place.encode())
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise Unsealable from error


def _cipher(secret: str) -> AESGCM:
    # A key of its own for this purpose: the secret itself also hashes API keys.
    derived = HKDF(SHA256(), length=32, salt=None, info=b"calotype bucket credentials v1")
    return AESGCM(derived.derive(secret.encode()))
