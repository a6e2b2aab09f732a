"""NATS servers that ask who comes: by TLS, by nkey, by JWT; three of them as one cluster."""

import base64
import contextlib
import datetime as dt
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.bus_papers import _spelled
from tests.servers import Nats, free_ports, server_folder

_KINDS = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_EVERYTHING = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage"), -1
) | {"disk_storage": -1, "streams": -1, "consumer": -1, "wildcards": True}


class Nkey:
    """A key pair of an operator, an account or a user, as nsc would make it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._key = Ed25519PrivateKey.generate()
        prefix = _KINDS[kind]
        self.public = _spelled(bytes([prefix]) + self._key.public_key().public_bytes_raw())
        head = bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3])
        self.seed = _spelled(head + self._key.private_bytes_raw())

    def vouch(self, whom: "Nkey", **more: object) -> str:
        """A JWT that says who `whom` is, signed by us."""
        claims = {
            "jti": "1",
            "iat": 1,
            "iss": self.public,
            "sub": whom.public,
            "name": whom.kind,
            "nats": {"type": whom.kind, "version": 2, **more},
        }
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        told = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        return f"{told}.{_encoded(self._key.sign(told.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Guarded(Nats):
    """A server with more in its configuration, given as text."""

    def __init__(self, folder: Path, more: str) -> None:
        super().__init__(folder)
        self.more = more

    def _config(self) -> str:
        plain = super()._config()
        return f"{plain[: plain.index('authorization')]}{self.more}"


@contextlib.contextmanager
def guarded(more: str) -> Iterator[Guarded]:
    with server_folder() as folder:
        server = Guarded(folder, more)
        server.start()
        try:
            yield server
        finally:
            server.kill()


class Operated(NamedTuple):
    """A server that believes an operator, and the credentials of a user of its only account."""

    server: Guarded
    credentials: str
    stranger: str


@contextlib.contextmanager
def operated() -> Iterator[Operated]:
    """Everything nsc would make: operator, account, user, and a user of somebody else."""
    operator, account, other, system = Nkey("operator"), *(Nkey("account") for _ in range(3))
    more = f"""
        operator: "{operator.vouch(operator)}"
        resolver: MEMORY
        system_account: {system.public}
        resolver_preload: {{
            {account.public}: "{operator.vouch(account, limits=_EVERYTHING)}"
            {system.public}: "{operator.vouch(system)}"
        }}
    """
    with guarded(more) as server:
        yield Operated(server, credentials_of(account), credentials_of(other))


def credentials_of(account: Nkey) -> str:
    """The content of a .creds file of a new user."""
    user = Nkey("user")
    limits = {"subs": -1, "data": -1, "payload": -1}
    return (
        f"-----BEGIN NATS USER JWT-----\n{account.vouch(user, **limits)}\n"
        "------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


# TLS


class Certificates:
    """An authority, and what it has signed, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
        self.ca = self._written("ca.pem", self._signed(self._name, self._key, authority=True))

    def issue(self, name: str) -> tuple[str, str]:
        """A certificate for this machine and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        certificate = self._signed(subject, key, authority=False)
        return self._written(f"{name}.pem", certificate), self._written(f"{name}.key", pem)

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> bytes:
        now = dt.datetime.now(dt.UTC)
        hour = dt.timedelta(hours=1)
        here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        public = self._key.public_key()
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - hour)
            .not_valid_after(now + hour)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(here), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def _written(self, name: str, content: bytes) -> str:
        file = self.folder / name
        file.write_bytes(content)
        return str(file)


# A cluster


class Clustered(Guarded):
    """One of three servers that keep copies of each other's streams."""

    def __init__(self, folder: Path, number: int, routes: list[int], tls: str) -> None:
        folder.mkdir()
        others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        super().__init__(
            folder,
            f"""
            server_name: "n{number}"
            authorization {{ token: "a-token-for-tests" }}
            cluster {{ name: tests, host: 127.0.0.1, port: {routes[number]}, routes: [{others}] }}
            {tls}
            """,
        )
        self.name = f"n{number}"


class Cluster(NamedTuple):
    servers: list[Clustered]
    ca: str

    @property
    def urls(self) -> str:
        return ",".join(f"tls://127.0.0.1:{server.port}" for server in self.servers)

    @property
    def proof(self) -> str:
        return ",".join(server.proof for server in self.servers)

    def named(self, name: str) -> Clustered:
        (found,) = (server for server in self.servers if server.name == name)
        return found


@contextlib.contextmanager
def nats_cluster() -> Iterator[Cluster]:
    with server_folder() as folder:
        certificates = Certificates(folder)
        certificate, key = certificates.issue("server")
        tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}'
        routes = free_ports(3)
        servers = [Clustered(folder / f"n{n}", n, routes, tls) for n in range(3)]
        try:
            for server in servers:
                server.start()
            yield Cluster(servers, certificates.ca)
        finally:
            for server in servers:
                server.kill()
