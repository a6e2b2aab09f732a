"""What NATS asks of who connects: a signature, and whom we take it for ourselves.

Its keys (nkeys) are Ed25519 seeds in a spelling of their own: base32 of prefix, bytes and checksum.
Files are read again for every connection: credentials are renewed while we run.
"""

import base64
import binascii
import contextlib
import re
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.settings import Settings, SettingsError

_SEED = 18 << 3  # "S", in front of every seed
_USER = 20 << 3  # "U", in front of a user's public key
_PART = re.compile(r"-{3,}BEGIN ([A-Z ]+)-{3,}\s+(\S+)\s+-{3,}END")


class Papers(NamedTuple):
    """Files to prove ourselves with, and what TLS is spoken with if it must be."""

    credentials: str = ""
    nkey: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def sign(self) -> Callable[[str], bytes] | None:
        """Signs what the server wants signed, if there is anything to sign with."""
        if not (self.credentials or self.nkey):
            return None
        return lambda nonce: base64.b64encode(self._key().sign(nonce.encode()))

    @property
    def token(self) -> Callable[[], bytes] | None:
        """The user's JWT, if there is one."""
        if not self.credentials:
            return None
        return lambda: _part(self.credentials, "NATS USER JWT").encode()

    @property
    def public(self) -> str | None:
        """The user's public key, when that is all there is to be known by."""
        if not self.nkey:
            return None
        raw = self._key().public_key().public_bytes_raw()
        return _spelled(bytes([_USER]) + raw)

    def _key(self) -> Ed25519PrivateKey:
        if self.credentials:
            return _key_of(_part(self.credentials, "USER NKEY SEED"))
        return _key_of(Path(self.nkey).read_text().strip())


def papers_of(settings: Settings) -> Papers:
    """What the settings of NATS name. Raises SettingsError for what cannot be used, by name."""
    credentials, nkey = settings.nats_credentials, settings.nats_nkey
    if credentials and nkey:
        raise SettingsError("CALOTYPE_NATS_CREDENTIALS and CALOTYPE_NATS_NKEY: set one of them.")
    papers = Papers(credentials, nkey, _tls(settings))
    with _usable("CALOTYPE_NATS_CREDENTIALS" if credentials else "CALOTYPE_NATS_NKEY"):
        for use in (papers.token, papers.sign and partial(papers.sign, "")):
            if use:
                use()
    return papers


def _tls(settings: Settings) -> ssl.SSLContext | None:
    ca, own, key = settings.nats_ca, settings.nats_certificate, settings.nats_certificate_key
    if bool(own) != bool(key):
        raise SettingsError(
            "CALOTYPE_NATS_CERTIFICATE and CALOTYPE_NATS_CERTIFICATE_KEY go together: set both."
        )
    if not (ca or own or "tls://" in settings.nats_url):
        return None
    with _usable("CALOTYPE_NATS_CA"):
        context = ssl.create_default_context(cafile=ca or None)
    with _usable("CALOTYPE_NATS_CERTIFICATE or CALOTYPE_NATS_CERTIFICATE_KEY"):
        if own:
            context.load_cert_chain(own, key)
    return context


@contextlib.contextmanager
def _usable(name: str) -> Iterator[None]:
    """Name what cannot be used, and say nothing of what is in it."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it holds no such thing"
        raise SettingsError(f"{name}: the file cannot be used ({reason}).") from None


def _part(file: str, name: str) -> str:
    found = dict(_PART.findall(Path(file).read_text()))
    if name not in found:
        raise ValueError(name)
    return str(found[name])


def _key_of(seed: str) -> Ed25519PrivateKey:
    """Raises ValueError for what is no seed; nothing of it is said."""
    raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    body, checksum = raw[:-2], raw[-2:]
    if len(body) != 34 or body[0] & 0xF8 != _SEED or checksum != _checksum(body):  # noqa: PLR2004
        raise ValueError
    return Ed25519PrivateKey.from_private_bytes(body[2:])


def _spelled(body: bytes) -> str:
    return base64.b32encode(body + _checksum(body)).decode().rstrip("=")


def _checksum(body: bytes) -> bytes:
    return binascii.crc_hqx(body, 0).to_bytes(2, "little")
