"""The clock of this machine against those of the others: signatures and deadlines depend on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
from sqlmodel import Session, text

from gateway.deadline import Away, answer_of
from gateway.doctor.finding import Finding, Patient, ok, skipped, warning, wrong
from gateway.status.look import SECONDS, open_line
from models.database import open_database
from models.errors import Unavailable
from models.settings import Settings
from pipeline.bus_queue import clock

_NOTICED = 2.0
_BAD = 30.0


async def clocks(patient: Patient) -> list[Finding]:
    """How far each of the others is from ours; those that do not answer are told elsewhere."""
    settings = patient.settings
    asked: dict[str, Callable[[], Awaitable[datetime]]] = {}
    if patient.bus is not None and not settings.embedded_bus:
        asked["message bus"] = lambda: _of_bus(patient)
    if settings.database_url:
        asked["database"] = lambda: _of_database(settings)
    if settings.objects_endpoint:
        asked["object storage"] = lambda: _of_objects(settings.objects_endpoint)
    found = [await _compared(name, ask) for name, ask in asked.items()]
    return found or [skipped("clock", "nothing is on another machine")]


async def _compared(name: str, ask: Callable[[], Awaitable[datetime]]) -> Finding:
    async def off() -> float:
        began = time.time()
        theirs = (await ask()).timestamp()
        return theirs - (began + time.time()) / 2

    found = await answer_of(off(), SECONDS)
    if isinstance(found, Away):
        return skipped("clock", f"{name}: {found}")
    return judged(name, found)


def judged(name: str, off: float) -> Finding:
    """What so many seconds of difference mean."""
    direction = "ahead of" if off > 0 else "behind"
    says = f"the clock of the {name} is {abs(off):.1f} s {direction} ours"
    todo = "have all machines keep their clocks with NTP (chrony, systemd-timesyncd)"
    if abs(off) > _BAD:
        return wrong("clock", f"{says}: signed requests may be refused", todo)
    if abs(off) > _NOTICED:
        return warning("clock", says, todo)
    return ok("clock", f"the {name} has the same time")


async def _of_bus(patient: Patient) -> datetime:
    if patient.bus is None:
        raise Unavailable
    async with open_line(patient.bus) as line:
        return await clock(line)


async def _of_database(settings: Settings) -> datetime:
    def now(session: Session) -> datetime:
        found: datetime = (
            session.connection().execute(text("SELECT clock_timestamp()")).scalar_one()
        )
        return found

    opened = open_database(settings.database_url, settings.data, 2, SECONDS)
    try:
        return await opened.read(now)
    finally:
        asyncio.get_running_loop().run_in_executor(None, opened.close)


async def _of_objects(endpoint: str) -> datetime:
    """Any answer has it, also a refusal; whole seconds."""
    async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as client:
        answer = await client.head(endpoint)
    told = parsedate_to_datetime(answer.headers["date"]).timestamp()
    return datetime.fromtimestamp(told + 0.5, UTC)
