"""A system of roles whose every server is behind a proxy that breaks on command."""

import asyncio
import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx2
from sqlmodel import Session

from gateway.folder import claim
from models.accounts import PERMISSIONS, add_key, digest_of, new_key, open_account
from models.database import open_database
from models.records import new_id
from models.schema import migrate
from tests.faults import FaultProxy
from tests.prove.kept import Kept
from tests.prove.site import CREDITS, SECRET
from tests.prove.waiting import becomes_so
from tests.servers import Nats, free_ports, nats_server, postgres_server, s3_server
from tests.system.drawn import photo
from tests.system.world import UNLIMITED

# Longer than anybody is told to wait: what takes longer than this hangs.
PATIENCE = 12.0
_READY_SECONDS = 90.0
_SIZE = '{"width": 40}'


class Upload(NamedTuple):
    """One request, to be sent again as it was."""

    key: str
    url: str


class Behind:
    """The addresses of the roles, their processes, and the proxy before each server."""

    def __init__(self, api: str, edge: str, key: str, lines: dict[str, FaultProxy]) -> None:
        self.lines = lines
        self.edge = edge
        self.kept: list[Kept] = []
        self.broken: Counter[str] = Counter()
        """Connections of clients that ended without an answer, by how."""
        self.http = httpx2.AsyncClient(
            base_url=api,
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE,
            limits=httpx2.Limits(max_connections=200),
            trust_env=False,
        )

    def new(self, *, by_url: bool) -> Upload:
        """An upload that was never sent; of a file, or of the address of one."""
        key = new_id()
        return Upload(key, f"http://127.0.0.1:{self.lines['source'].port}/{key}" if by_url else "")

    async def send(self, upload: Upload, *, seconds: float = PATIENCE) -> httpx2.Response | None:
        """Its answer; None when there was none in time.

        A connection that breaks is no answer: the request is sent again, as its key allows.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                return await self.http.post(
                    "/api/v1/images",
                    files=_parts(upload.url),
                    headers={"Idempotency-Key": upload.key},
                    timeout=left,
                )
            except httpx2.TimeoutException:
                break
            except httpx2.TransportError as error:
                self.broken[type(error).__name__] += 1
                await asyncio.sleep(0.1)
        return None

    async def serves(self, url: str) -> bool:
        """Whether the edge has a variant, whole."""
        with contextlib.suppress(httpx2.TransportError):
            answer = await self.http.get(url, timeout=PATIENCE)
            whole = hashlib.sha256(answer.content).hexdigest() in answer.headers.get("etag", "")
            return answer.status_code == 200 and whole
        return False

    def restarts(self) -> int:
        """How often a process had to be started again."""
        return sum(one.starts - 1 for one in self.kept)


@contextlib.asynccontextmanager
async def behind(folder: Path) -> AsyncIterator[Behind]:
    """A running system, ready, and all its servers."""
    async with contextlib.AsyncExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        nats = stack.enter_context(nats_server())
        s3 = stack.enter_context(s3_server("outages"))
        source = await stack.enter_async_context(_source())
        ports = {"database": postgres.port, "bus": nats.port, "objects": s3.port, "source": source}
        lines = {
            name: await stack.enter_async_context(FaultProxy("127.0.0.1", port))
            for name, port in ports.items()
        }
        url = stack.enter_context(postgres.fresh("outages"))
        api, edge = free_ports(2)
        key = _prepared(url, folder)
        made = Behind(f"http://127.0.0.1:{api}", f"http://127.0.0.1:{edge}", key, lines)
        stack.push_async_callback(made.http.aclose)
        environment = UNLIMITED | {
            "CALOTYPE_DATABASE_URL": url.replace(str(postgres.port), str(lines["database"].port)),
            "CALOTYPE_OBJECTS_URL": "s3://outages/objects",
            "CALOTYPE_OBJECTS_ENDPOINT": f"http://127.0.0.1:{lines['objects'].port}",
            "CALOTYPE_OBJECTS_ACCESS_KEY": s3.access_key,
            "CALOTYPE_OBJECTS_SECRET_KEY": s3.secret_key,
            "CALOTYPE_SOURCE_LOOPBACK_PORTS": str(lines["source"].port),
            "CALOTYPE_SOURCE_SECONDS": "5",
            "CALOTYPE_ANSWER_SECONDS": "3",
            "CALOTYPE_CHILDREN": "1",
            "CALOTYPE_LOG_LEVEL": "warning",
            "CALOTYPE_SECRET": SECRET,
            "CALOTYPE_EDGE_URL": made.edge,
            "CALOTYPE_PORT": str(api),
            "CALOTYPE_EDGE_PORT": str(edge),
        }
        environment |= _bus(nats, lines["bus"].port)
        for role in ("gateway", "pipeline", "edge"):
            claim(folder / role)
            kept = Kept(role, [role, "--data", str(folder / role)], environment)
            made.kept.append(kept)
            await stack.enter_async_context(kept.running(folder))
        for address in (f"http://127.0.0.1:{api}", made.edge):
            await becomes_so(lambda: _healthy(made, address), _READY_SECONDS)  # noqa: B023 called at once
        yield made


def _bus(nats: Nats, port: int) -> dict[str, str]:
    return {
        "CALOTYPE_NATS_URL": f"nats://127.0.0.1:{port}",
        "CALOTYPE_NATS_TOKEN": nats.token,
        "CALOTYPE_NATS_PROOF": nats.proof,
    }


def _parts(url: str) -> dict[str, tuple[str | None, bytes | str]]:
    size: tuple[None, str] = (None, _SIZE)
    if url:
        return {"resizeOptions": size, "url": (None, url)}
    return {"resizeOptions": size, "image": ("picture.jpg", photo(48, 32))}


async def _healthy(made: Behind, address: str) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return (await made.http.get(f"{address}/healthz")).status_code == 200
    return False


def _prepared(url: str, folder: Path) -> str:
    key = new_key()
    with contextlib.closing(open_database(url, folder, 1)) as database:
        migrate(database.engine)
        with Session(database.engine) as session:
            account = open_account(session, "default", CREDITS, 1 << 50)
            add_key(session, account.id, "prove", digest_of(key, SECRET), key[-4:], PERMISSIONS)
            session.commit()
    return key


@contextlib.asynccontextmanager
async def _source() -> AsyncIterator[int]:
    """Somebody's web server with a picture; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            body = photo(48, 32)
            head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
