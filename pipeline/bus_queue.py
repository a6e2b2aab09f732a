"""What JetStream holds: the subjects that wait in the work stream, and the dead letters."""

import base64
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

from models.events import DEAD
from pipeline.bus import Bus, NotThere
from pipeline.bus_streams import DEAD_STREAM, PIPELINE, WORK_STREAM


class Letter(NamedTuple):
    """A dead letter by its number in the stream, as it lies there."""

    seq: int
    subject: str
    data: bytes
    time: datetime


class Depth(NamedTuple):
    """Messages of the work stream: not delivered, delivered, delivered again; and dead letters."""

    pending: int
    taken: int
    again: int
    dead: int


async def queue_depth(bus: Bus) -> Depth:
    """How much waits on the bus now. NotThere while there are no streams."""
    work = await bus.ask(f"CONSUMER.INFO.{WORK_STREAM}.{PIPELINE}")
    dead = await bus.ask(f"STREAM.INFO.{DEAD_STREAM}")
    return Depth(
        pending=work["num_pending"],
        taken=work["num_ack_pending"],
        again=work["num_redelivered"],
        dead=dead["state"]["messages"],
    )


async def born(bus: Bus) -> datetime:
    """When the work stream was made: what was said before is not in it."""
    return _moment((await bus.ask(f"STREAM.INFO.{WORK_STREAM}"))["created"])


async def clock(bus: Bus) -> datetime:
    """What time it is there."""
    return _moment((await bus.ask(f"STREAM.INFO.{WORK_STREAM}"))["ts"])


async def queued_subjects(bus: Bus) -> set[str]:
    """The subjects of all messages that wait in the work stream."""
    return await _subjects(bus, WORK_STREAM)


async def dead_subjects(bus: Bus) -> set[str]:
    """The subjects of all dead letters."""
    return await _subjects(bus, DEAD_STREAM)


async def _subjects(bus: Bus, stream: str) -> set[str]:
    """In pages of the server's choice; one that goes or comes meanwhile may be missed."""
    found: set[str] = set()
    offset, total = 0, 1
    while offset < total:
        answer = await bus.ask(f"STREAM.INFO.{stream}", subjects_filter=">", offset=offset)
        page = answer["state"].get("subjects") or {}
        found.update(page)
        offset, total = offset + len(page), answer.get("total", 0) if page else 0
    return found


async def dead_letters(bus: Bus) -> AsyncIterator[Letter]:
    """Every dead letter, oldest first."""
    letter = await _next(bus, 1)
    while letter is not None:
        yield letter
        letter = await _next(bus, letter.seq + 1)


async def _next(bus: Bus, seq: int) -> Letter | None:
    try:
        answer = await bus.ask(f"STREAM.MSG.GET.{DEAD_STREAM}", seq=seq, next_by_subj=f"{DEAD}.>")
    except NotThere:
        return None
    return _letter(answer["message"])


def _letter(message: dict[str, Any]) -> Letter:
    data = base64.b64decode(message.get("data") or "")
    return Letter(message["seq"], message["subject"], data, _moment(message["time"]))


async def drop_dead(bus: Bus, subject: str) -> None:
    """Take the dead letters of a subject out of the stream."""
    await bus.ask(f"STREAM.PURGE.{DEAD_STREAM}", filter=subject)


def _moment(text: str) -> datetime:
    """The server writes nanoseconds; Python reads microseconds."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}+00:00")
