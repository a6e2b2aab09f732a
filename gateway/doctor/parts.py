"""What a system depends on: reached, safe, and able to do what is asked of it."""

import asyncio
import contextlib
import secrets
import time
from urllib.parse import urlsplit

from sqlmodel import Session

from gateway.doctor.finding import Finding, Patient, ok, skipped, warning, wrong
from gateway.doctor.releases import judged_nats
from gateway.status.look import SECONDS, database_version, open_line, refuse_no_base
from models.database import open_database
from models.durable import refuse_undurable
from models.schema import newest, revision_of, unfit
from models.settings import Settings, SettingsError
from pipeline.bus import NotThere
from pipeline.bus_proof import refuse_unsynced
from pipeline.bus_roll import server_version
from pipeline.bus_streams import WORK_STREAM
from pipeline.storage import STAGING
from pipeline.storage_open import open_storage

_PROOF = b"Calotype was here to see whether objects are kept, and is gone again.\n"


async def database(patient: Patient) -> list[Finding]:
    """Its release, its schema, and whether it keeps what it commits."""
    settings = patient.settings
    try:
        refuse_no_base(settings)
    except SettingsError as error:
        return [skipped("database", str(error))]
    opened = open_database(settings.database_url, settings.data, 2, SECONDS)
    try:
        version, schema = await opened.read(_version_and_schema)
        try:
            await opened.read(refuse_undurable)
            kept = ok("database durability", "what is committed survives a power cut")
        except SettingsError as error:
            kept = wrong("database durability", str(error))
        return [ok("database", version), kept, _schema(schema)]
    finally:
        # Not here: closing waits for a thread that may wait for a silent server.
        asyncio.get_running_loop().run_in_executor(None, opened.close)


def _version_and_schema(session: Session) -> tuple[str, str]:
    return database_version(session), revision_of(session.connection())


def _schema(schema: str) -> Finding:
    if not unfit(schema):
        return ok("schema", schema)
    says = f"it is {schema or 'empty'}, this release needs {newest()}"
    if schema > newest():
        return wrong("schema", says, "install the release that wrote it, or a later one")
    return wrong("schema", says, "calotype migrate")


async def bus(patient: Patient) -> list[Finding]:
    """Its release, its streams, and whether it keeps what it acknowledges."""
    where = patient.bus
    if where is None:
        return [skipped("message bus", "its own runs while 'calotype up' does")]
    found = []
    async with open_line(where) as line:
        found.append(ok("message bus", "it answers"))
        if not patient.settings.embedded_bus:
            found.append(judged_nats(server_version(line)))
        try:
            await line.ask(f"STREAM.INFO.{WORK_STREAM}")
        except NotThere:
            says = "it has no streams yet"
            found.append(warning("streams", says, "the first process that starts makes them"))
    return found


async def bus_durability(patient: Patient) -> list[Finding]:
    """Whether every server syncs each message before it acknowledges it."""
    what = "message bus durability"
    if patient.bus is None:
        return [skipped(what, "its own syncs every message, and is asked when it starts")]
    await refuse_unsynced(patient.bus.proof, patient.bus.papers.tls)
    promised = patient.bus.proof == "promised"
    return [ok(what, "promised, and not read" if promised else "every message is synced first")]


async def objects(patient: Patient) -> list[Finding]:
    """Write, read and delete a small object, where a killed doctor's is swept up."""
    settings = patient.settings
    if not settings.objects_url and not (settings.data / "objects").is_dir():
        return [skipped("object storage", f"the first start makes {settings.data / 'objects'}")]
    storage, key = open_storage(settings), f"{STAGING}/doctor-{secrets.token_hex(8)}"
    began = time.perf_counter()
    try:
        await storage.put(key, _PROOF)
        read = await storage.get(key)
    finally:
        await storage.delete([key])
    if read != _PROOF:
        return [wrong("object storage", "it gave back other bytes than were written")]
    took = 1000 * (time.perf_counter() - began)
    return [ok("object storage", f"an object was written, read and deleted in {took:.0f} ms")]


async def counters(patient: Patient) -> list[Finding]:
    """The store where several gateways count requests together."""
    url = patient.settings.rate_limit_store
    if not url:
        return []
    from redis.asyncio import Redis  # noqa: PLC0415  slow, and few gateways share

    async with contextlib.aclosing(Redis.from_url(url.replace("valkey", "redis", 1))) as store:
        await store.ping()  # type: ignore[misc]  # its stub allows for the other client's answer
    return [ok("rate limit store", "it answers")]


async def model(patient: Patient) -> list[Finding]:
    """The address that images are generated at; nothing is asked of it."""
    if not patient.settings.gemini_key:
        return [skipped("model", "CALOTYPE_GEMINI_KEY is not set: nothing can be generated")]
    return [await _reached("model", patient.settings.gemini_url)]


async def _reached(what: str, url: str) -> Finding:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    _, writer = await asyncio.open_connection(parts.hostname, port)
    writer.close()
    return ok(what, f"{parts.hostname} can be reached")


TODO = {
    "database": "start it, or correct CALOTYPE_DATABASE_URL",
    "message bus": "start it, or correct CALOTYPE_NATS_URL and CALOTYPE_NATS_TOKEN",
    "object storage": "start it, or correct the CALOTYPE_OBJECTS_ settings",
    "rate limit store": "start it, or correct CALOTYPE_RATE_LIMIT_STORE",
    "model": "open the way to it, or correct CALOTYPE_GEMINI_URL",
}


def todo_for(what: str, settings: Settings) -> str:
    """What to do about a part that does not answer."""
    own = {"database": settings.database_url, "object storage": settings.objects_url}
    if what == "message bus" and settings.embedded_bus:
        return f"look at {settings.data / 'nats' / 'nats.log'}, then restart 'calotype up'"
    if what in own and not own[what]:
        return f"look at the folder {settings.data}: is the disk there, whole and ours?"
    return TODO.get(what, "")
