"""What the roles stand on, as compose.yaml starts it: Postgres, NATS, S3 and shared counts."""

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg

from tests.cluster.composed import DEPLOY, compose, environment_of
from tests.cluster.member import Member
from tests.servers import (
    free_ports,
    init_postgres,
    postgres_programs,
    postgres_user,
    program,
)

Places = dict[str, str]
"""host:port here for every host:port that compose.yaml speaks of."""

NATS = ("nats-1", "nats-2", "nats-3")
REDIS = shutil.which("valkey-server") or shutil.which("redis-server")
_INSIDE = (
    "postgres:5432",
    *(f"{node}:{port}" for node in NATS for port in (4222, 6222, 8222)),
    *(f"objects:{port}" for port in (8333, 9333, 19333, 8888, 18888, 8080, 18080, 18333)),
    "valkey:6379",
)


def here(host: str = "127.0.0.1") -> Places:
    """A free port of this machine for each of them."""
    ports = free_ports(len(_INSIDE))
    return {name: f"{host}:{port}" for name, port in zip(_INSIDE, ports, strict=True)}


def moved(text: str, places: Places) -> str:
    """With every place of compose.yaml where it is here."""
    text = text.replace("@postgres/", "@postgres:5432/")
    for name, place in places.items():
        text = re.sub(rf"(?<![\w-]){re.escape(name)}\b", place, text)
    return text


def port_of(places: Places, name: str) -> str:
    return places[name].rpartition(":")[2]


def answers(url: str) -> bool:
    """Whether it says 200 there."""
    with suppress(URLError, OSError), urlopen(url, timeout=2) as answer:  # noqa: S310 here
        return bool(answer.status == 200)
    return False


def listens(place: str) -> bool:
    """Whether somebody takes a connection there."""
    host, _, port = place.partition(":")
    with suppress(OSError):
        socket.create_connection((host, int(port)), 1).close()
        return True
    return False


# Postgres


@contextmanager
def postgres(folder: Path, places: Places) -> Iterator[Member]:
    """With what compose.yaml sets, on a database that stays in the folder."""
    user, data = postgres_user(), folder / "postgres"
    with postgres_programs(user) as programs:
        if not (data / "PG_VERSION").exists():
            data.mkdir(mode=0o700, exist_ok=True)
            if user:
                shutil.chown(data, user)
            init_postgres(programs, data, user)
        place = places["postgres:5432"]
        _, *options = compose()["services"]["postgres"]["command"]
        own = ["listen_addresses=127.0.0.1", "unix_socket_directories="]
        own.append(f"port={port_of(places, 'postgres:5432')}")
        command = [str(programs / "postgres"), "-D", str(data), *options]
        command += [part for one in own for part in ("-c", one)]
        admin = f"postgresql://postgres@{place}/postgres"
        made = Member(
            "postgres",
            command,
            folder,
            ready=lambda: _has_database(admin),
            ends_at=signal.SIGINT,
            user=user,
        )
        yield made


def _has_database(admin: str) -> bool:
    """Its user and its database, made when they are not there, as the image does."""
    try:
        with psycopg.connect(admin, autocommit=True, connect_timeout=2) as connection:
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'calotype'").fetchone():
                return True
            connection.execute("CREATE ROLE calotype LOGIN")
            connection.execute("CREATE DATABASE calotype OWNER calotype")
    except psycopg.OperationalError:
        return False
    return True


# NATS


def nats(node: str, folder: Path, places: Places, secrets: Mapping[str, str]) -> Member:
    """deploy/nats/nats.conf with the ports and the folder of here."""
    own = folder / node
    own.mkdir(exist_ok=True)
    text = (
        (DEPLOY / "nats/nats.conf").read_text().replace("store_dir: /data", f'store_dir: "{own}"')
    )
    for said, port in (("port", 4222), ("http", 8222), ("port", 6222)):
        line = "http" if said == "http" else "listen"
        text = text.replace(f"{said}: {port}\n", f'{line}: "{places[f"{node}:{port}"]}"\n')
    config = own / "nats.conf"
    config.write_text(moved(text, places))
    healthy = f"http://{places[f'{node}:8222']}/healthz?js-server-only=true"
    return Member(
        node,
        [program("nats-server"), "--config", str(config)],
        folder,
        environment=os.environ | environment_of(node, secrets),
        ready=lambda: answers(healthy),
    )


# S3


def objects(folder: Path, places: Places, secrets: Mapping[str, str]) -> Member:
    """SeaweedFS with what compose.yaml sets."""
    (folder / "objects").mkdir(exist_ok=True)
    command = compose()["services"]["objects"]["command"]
    named = {
        "-ip=objects": "-ip=127.0.0.1",
        "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1",
        "-dir=/data": f"-dir={folder / 'objects'}",
    }
    ports = {
        "s3.port": 8333,
        "s3.port.grpc": 18333,
        "master.port": 9333,
        "master.port.grpc": 19333,
        "filer.port": 8888,
        "filer.port.grpc": 18888,
        "volume.port": 8080,
        "volume.port.grpc": 18080,
    }
    more = [f"-{name}={port_of(places, f'objects:{port}')}" for name, port in ports.items()]
    more += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    return Member(
        "objects",
        [program("weed"), *(named.get(part, part) for part in command), *more],
        folder,
        environment=os.environ | environment_of("objects", secrets),
        ready=lambda: answers(f"http://{places['objects:8333']}/status"),
        ends_at=signal.SIGKILL,  # it takes 25 seconds otherwise, and what it has is on the disk
    )


# Shared counts


def valkey(folder: Path, places: Places, secrets: Mapping[str, str]) -> Member | None:
    """With what compose.yaml sets, of Valkey or Redis; None when this machine has neither."""
    if REDIS is None:
        return None
    *_, command = compose()["services"]["valkey"]["command"]
    password = environment_of("valkey", secrets)["VALKEY_PASSWORD"]
    spoken = command.replace("exec valkey-server", f"exec {REDIS}").replace("$$", "$")
    own = f"--bind 127.0.0.1 --port {port_of(places, 'valkey:6379')}"
    return Member(
        "valkey",
        ["sh", "-c", f"{spoken} {own}"],
        folder,
        environment=os.environ | {"VALKEY_PASSWORD": password},
        ready=lambda: listens(places["valkey:6379"]),
    )
