"""One look at a system from outside. What stays silent keeps us from nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from sqlmodel import Session, text

from gateway.deadline import Away, answer_of
from gateway.folder import Occupied, locked, running_at
from gateway.nats_server import NatsAddress, running_nats
from gateway.status.facts import Base, Bus, Facts
from models.backlog import Backlog, backlog
from models.columns import now
from models.database import open_database
from models.errors import Unavailable
from models.roll import ROLL, Present
from models.schema import revision_of, unfit
from models.settings import Settings, SettingsError
from pipeline.bus import Bus as Line
from pipeline.bus import NotThere, join
from pipeline.bus_line import Where
from pipeline.bus_papers import papers_of
from pipeline.bus_roll import asked, server_version
from pipeline.bus_streams import DEAD_STREAM, PIPELINE, WORK_STREAM
from pipeline.storage_open import open_storage

SECONDS = 3.0


async def look(settings: Settings) -> Facts:
    """What answers within three seconds, and what does not. Changes nothing, raises nothing."""
    running = is_running(settings)
    parts = {
        "message bus": _bus(settings, running=running),
        "database": _base(settings),
        "object storage": _objects(settings),
    }
    found = await asyncio.gather(*(answer_of(part, 2 * SECONDS) for part in parts.values()))
    answers = dict(zip(parts, found, strict=True))
    bus, base = answers["message bus"], answers["database"]
    facts = Facts(
        where=str(settings.data) if settings.embedded_bus else "the addresses in the settings",
        embedded=settings.embedded_bus,
        looked=now(),
        running=running,
        bus=bus if isinstance(bus, Bus) else None,
        base=base if isinstance(base, Base) else None,
        away={name: str(one) for name, one in answers.items() if isinstance(one, Away)},
    )
    if facts.bus is not None and facts.bus.present:
        return facts
    return msgspec.structs.replace(facts, api=await _api(settings))


def is_running(settings: Settings) -> bool | None:
    """Whether a process holds the data folder; None when there is no folder, or not for us."""
    if not (settings.data / "lock").exists():
        return None if settings.nats_url else False
    try:
        with locked(settings.data):
            return False
    except Occupied:
        return True
    except OSError:
        return None


def bus_of(settings: Settings, *, running: bool | None) -> NatsAddress:
    """Where the bus is. SettingsError when it is the embedded one of a system that is stopped."""
    if settings.nats_url:
        papers = papers_of(settings)
        return NatsAddress(settings.nats_url, settings.nats_token, settings.nats_proof, papers)
    if running is False:
        raise SettingsError(f"no system is running on {settings.data}: 'calotype up' starts one")
    return running_nats(settings.data)


async def _bus(settings: Settings, *, running: bool | None) -> Bus:
    where = bus_of(settings, running=running)
    async with open_line(where) as bus:
        present, work, dead = await asyncio.gather(
            asked(bus, ROLL), _consumer(bus), _stream(bus, DEAD_STREAM)
        )
        return Bus(
            version=server_version(bus),
            present=tuple(sorted(map(_present, present), key=lambda one: (one.role, one.id))),
            waiting=work.get("num_pending", 0),
            in_work=work.get("num_ack_pending", 0),
            redelivered=work.get("num_redelivered", 0),
            dead=dead.get("messages", 0),
            streams=bool(work),
        )


@contextlib.asynccontextmanager
async def open_line(where: NatsAddress) -> AsyncIterator[Line]:
    """A line to this bus while the block runs. Unavailable soon, when there is none."""
    try:
        asked = Where(where.url, where.token, SECONDS, where.papers)
        bus = await join(asked, within=SECONDS - 0.5)
    except Unavailable:
        places = ", ".join(place_of(url) for url in where.url.split(","))
        raise Unavailable(f"{places} does not answer, or does not let us in") from None
    async with contextlib.aclosing(bus):
        yield bus


def place_of(url: str) -> str:
    """Host and port of an address, without user and password."""
    return urlsplit(url.strip()).netloc.rpartition("@")[2] or url


def _present(answer: bytes) -> Present:
    try:
        return msgspec.json.decode(answer, type=Present)
    except msgspec.DecodeError:
        return Present(role="?", id="?", version="another release")


async def _consumer(bus: Line) -> dict[str, Any]:
    with contextlib.suppress(NotThere):
        return await bus.ask(f"CONSUMER.INFO.{WORK_STREAM}.{PIPELINE}")
    return {}


async def _stream(bus: Line, name: str) -> dict[str, Any]:
    with contextlib.suppress(NotThere):
        return dict((await bus.ask(f"STREAM.INFO.{name}"))["state"])
    return {}


async def _base(settings: Settings) -> Base:
    refuse_no_base(settings)
    database = open_database(settings.database_url, settings.data, 2, SECONDS)
    try:
        return await database.read(_based)
    finally:
        # Not here: closing waits for a thread that may wait for a silent server.
        asyncio.get_running_loop().run_in_executor(None, database.close)


def refuse_no_base(settings: Settings) -> None:
    """Raise SettingsError when there is no database file: opening one would make it."""
    if not settings.database_url and not (settings.data / "calotype.sqlite").exists():
        raise SettingsError(f"there is none in {settings.data}: 'calotype up' makes one")


def _based(session: Session) -> Base:
    schema = revision_of(session.connection())
    told = backlog(session) if not unfit(schema) else Backlog()
    return Base(version=database_version(session), schema=schema, backlog=told)


def database_version(session: Session) -> str:
    """Name and release of the server, or of the library."""
    if session.get_bind().dialect.name == "sqlite":
        found = session.connection().execute(text("SELECT sqlite_version()")).scalar()
        return f"SQLite {found}"
    found = str(session.connection().execute(text("SHOW server_version")).scalar())
    return f"Postgres {found.partition(' ')[0]}"


async def _objects(settings: Settings) -> bool:
    if not settings.objects_url and not (settings.data / "objects").is_dir():
        raise SettingsError(f"there is no folder {settings.data / 'objects'}")
    await open_storage(settings).check()
    return True


async def _api(settings: Settings) -> str | None:
    address = running_at(settings.data).get("api") or settings.public_api
    answered = await answer_of(_asked_directly(address), SECONDS)
    return None if isinstance(answered, Away) else address


async def _asked_directly(address: str) -> None:
    async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as client:
        answer = await client.get(f"{address}/healthz")
    if not answer.is_success:
        raise Unavailable
