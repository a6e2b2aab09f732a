"""A whole system to be hurt: on SQLite one `calotype up`, on Postgres each role a process.

Both keep their objects in a folder that the roles share, and have one account with a key. The
database and the objects can be looked at past the system, while it runs or when it is gone.
"""

import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Literal

import httpx2
from sqlmodel import Session

from gateway.folder import claim
from gateway.nats_server import running_nats
from models.accounts import PERMISSIONS, add_key, digest_of, new_key, open_account
from models.database import Database, open_database
from models.schema import migrate
from pipeline.storage import Storage, open_folder
from tests.prove.born import Nursery
from tests.prove.kept import Kept, kill
from tests.prove.waiting import becomes_so
from tests.servers import Nats, free_ports, nats_server, postgres_server
from tests.system.world import UNLIMITED, command_of

Kind = Literal["sqlite", "postgres"]

SECRET = "the-secret-of-the-proof-and-of-nothing-else"
CREDITS = 1_000_000_000
OLD = 2 * 3600.0
_READY_SECONDS = 180.0


class Site:
    """A running system: where it is, what it consists of, and what lies beneath it."""

    def __init__(self, kind: Kind, folder: Path, url: str, key: str, nats: Nats | None) -> None:
        self.kind = kind
        self.folder = folder
        self.key = key
        self.url = url
        self.nats = nats
        self.apis: list[str] = []
        self.edges: list[str] = []
        self.kept: dict[str, Kept] = {}

    @property
    def data(self) -> Path:
        """Where the database and the objects are."""
        return self.folder / "up"

    @property
    def objects(self) -> Path:
        """The folder of all objects."""
        return self.data / "objects"

    def database(self) -> Database:
        """The database, past the system; to be closed."""
        return open_database(self.url, self.data, 4)

    def storage(self) -> Storage:
        """The objects, past the system."""
        return open_folder(self.objects)

    def role(self, name: str) -> Kept:
        """The process that plays a role; on SQLite one plays them all."""
        return self.kept.get(name) or self.kept["up"]

    async def ready(self) -> None:
        """Wait until it can be used."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            for url in (*self.apis, *self.edges):
                ready = partial(_answers, http, f"{url}/healthz")
                if not await becomes_so(ready, _READY_SECONDS):
                    raise AssertionError(f"{url} does not answer, see {self.folder}/*.log")

    def kill_nats(self) -> bool:
        """kill -9 of the nats-server, which is started again by who started it before."""
        if self.nats is None:
            killed = [kill(one) for one in _servers_of(self.data)]
            return any(killed)
        self.nats.kill()
        self.nats.start()
        return True

    @property
    def stream(self) -> Path:
        """The folder of JetStream."""
        return (self.nats.folder if self.nats else self.data / "nats") / "store"

    def lose_stream(self) -> None:
        """The server dies, its disk is gone, and it is started again on an empty one."""
        if self.nats:
            self.nats.lose_everything()
        else:
            self.kill_nats()
            shutil.rmtree(self.stream)

    def nats_address(self) -> tuple[str, str]:
        """Where the bus is, and its token."""
        return (self.nats.url, self.nats.token) if self.nats else running_nats(self.data)[:2]

    def age(self, folder: str) -> None:
        """Have everything in a folder of the objects look as if it had lain there for hours."""
        then = time.time() - OLD
        for path in (self.objects / folder).rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (then, then))


async def _answers(http: httpx2.AsyncClient, url: str) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        await http.get(url)
        return True
    return False


def _servers_of(data: Path) -> list[int]:
    """Embedded nats-servers of a folder: one whose parent was killed may take its time to go."""
    config = str((data / "nats" / "nats.conf").resolve())
    everybody = (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit())
    return [one for one in everybody if config in command_of(one)]


@contextlib.asynccontextmanager
async def site(
    kind: Kind, folder: Path, *, spares: bool = False, **settings: str
) -> AsyncIterator[Site]:
    """A system that is ready; `spares` gives every role a second process. Its processes end with
    the block, its database and objects stay until the folder goes.
    """
    async with contextlib.AsyncExitStack() as stack:
        url, nats = "", None
        if kind == "postgres":
            postgres = stack.enter_context(postgres_server())
            url = stack.enter_context(postgres.fresh("prove"))
            nats = stack.enter_context(nats_server())
        made = Site(kind, folder, url, new_key(), nats)
        prepare(made)
        nursery = stack.enter_context(contextlib.closing(Nursery(folder / "nursery.log")))
        for process in _up(made, settings) if kind == "sqlite" else _roles(made, settings, spares):
            process.nursery = nursery
            made.kept[process.name] = process
            await stack.enter_async_context(process.running(folder))
        await made.ready()
        yield made


@contextlib.asynccontextmanager
async def risen(made: Site, **settings: str) -> AsyncIterator[Site]:
    """One `calotype up` on a folder that is there already; it ends with the block."""
    (process,) = _up(made, settings)
    made.kept[process.name] = process
    async with process.running(made.folder):
        await made.ready()
        yield made


def prepare(made: Site) -> None:
    """Schema, account and key: what a first start would make, with a key that we know."""
    claim(made.data)
    made.objects.mkdir()
    with contextlib.closing(made.database()) as database:
        migrate(database.engine)
        with Session(database.engine) as session:
            account = open_account(session, "default", CREDITS, 1 << 50)
            digest = digest_of(made.key, SECRET)
            add_key(session, account.id, "prove", digest, made.key[-4:], PERMISSIONS)
            session.commit()


def _up(made: Site, settings: dict[str, str]) -> list[Kept]:
    port, edge = free_ports(2)
    made.apis, made.edges = [f"http://127.0.0.1:{port}"], [f"http://127.0.0.1:{edge}"]
    ports = ["--port", str(port), "--edge-port", str(edge)]
    environment = _environment(settings) | {"CALOTYPE_CHILDREN": "2"}
    return [Kept("up", ["up", "--data", str(made.data), *ports, "--json"], environment)]


def _roles(made: Site, settings: dict[str, str], spares: bool) -> list[Kept]:
    """A process for each role, which share the folder of the objects, and spares of them."""
    assert made.nats
    environment = _environment(settings) | {
        "CALOTYPE_DATABASE_URL": made.url,
        "CALOTYPE_NATS_URL": made.nats.url,
        "CALOTYPE_NATS_TOKEN": made.nats.token,
        "CALOTYPE_NATS_PROOF": made.nats.proof,
    }
    names = ["gateway", "pipeline", "edge"]
    names += [f"{name}-spare" for name in names] * spares
    ports = iter(free_ports(2 * len(names)))
    kept = []
    for name in names:
        port, edge = next(ports), next(ports)
        role = name.removesuffix("-spare")
        if role == "gateway":
            made.apis.append(f"http://127.0.0.1:{port}")
        if role == "edge":
            made.edges.append(f"http://127.0.0.1:{edge}")
        folder = made.folder / name
        claim(folder)
        (folder / "objects").symlink_to(made.objects)
        own = {"CALOTYPE_PORT": str(port), "CALOTYPE_EDGE_PORT": str(edge)}
        own["CALOTYPE_CHILDREN"] = "1" if "gateway" in name else "2"
        kept.append(Kept(name, [role, "--data", str(folder)], environment | own))
    return kept


def _environment(settings: dict[str, str]) -> dict[str, str]:
    return UNLIMITED | {"CALOTYPE_SECRET": SECRET, "CALOTYPE_LOG_LEVEL": "warning"} | settings
