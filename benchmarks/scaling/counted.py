"""What an upload leaves behind and asks of others: rows, messages, objects, commits, syncs."""

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import Session, func, select, text

from benchmarks.scaling.embedded import System
from models.database import open_database
from models.records import Record
from pipeline.bus import connect
from pipeline.bus_streams import EVENT_STREAM, PURGE_STREAM, WORK_STREAM

_FAMILIES: Final = {
    "calotype_storage_operation_seconds_count": ("objects", "operation"),
    "calotype_database_transaction_seconds_count": ("database", "kind"),
}
_STREAMS: Final = {"work": WORK_STREAM, "events": EVENT_STREAM, "purges": PURGE_STREAM}

Counts = dict[str, float]


async def counted(system: System) -> Counts:
    """Totals so far."""
    counts: Counts = defaultdict(float)
    with contextlib.closing(open_database(system.database_url, system.data, 2)) as database:
        counts |= await database.read(_rows)
        if system.database_url:
            counts |= await database.read(_postgres)
    counts |= await _stored(system)
    for place in system.operators:
        for name, value in _told(place):
            counts[name] = counts.get(name, 0.0) + value
    for monitor in system.monitors:
        for name, value in _monitored(monitor):
            counts[name] = counts.get(name, 0.0) + value
    return dict(counts)


def since(after: Counts, before: Counts) -> Counts:
    """What came to it, nothing that stayed as it was."""
    came = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {name: value for name, value in came.items() if value}


def _rows(session: Session) -> Counts:
    tables = Record.metadata.sorted_tables
    return {
        f"rows: {table.name}": float(session.exec(select(func.count()).select_from(table)).one())
        for table in tables
    }


def _postgres(session: Session) -> Counts:
    asked = """
        SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
               (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')),
               (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal')
    """
    names = ("postgres: transactions", "postgres: WAL bytes", "postgres: WAL syncs")
    row = session.connection().execute(text(asked)).one()
    return {name: float(value or 0) for name, value in zip(names, row, strict=True)}


async def _stored(system: System) -> Counts:
    """Messages that each stream has ever kept."""
    async with contextlib.aclosing(await connect(*system.nats)) as bus:
        infos = {name: await bus.ask(f"STREAM.INFO.{stream}") for name, stream in _STREAMS.items()}
    return {f"stored: {name}": float(info["state"]["last_seq"]) for name, info in infos.items()}


def _told(place: str) -> Iterator[tuple[str, float]]:
    """What a process of ours counted itself."""
    for family in text_string_to_metric_families(_read(f"{place}/metrics")):
        for sample in family.samples:
            if sample.name in _FAMILIES:
                group, label = _FAMILIES[sample.name]
                yield f"{group}: {sample.labels[label]}", float(sample.value)


def _monitored(monitor: str) -> Iterator[tuple[str, float]]:
    varz: dict[str, Any] = json.loads(_read(f"{monitor}/varz"))
    for name in ("in_msgs", "out_msgs", "in_bytes", "out_bytes"):
        yield f"nats: {name}", float(varz[name])


def _read(address: str) -> str:
    with urlopen(address, timeout=10) as answer:  # noqa: S310 our own servers
        return str(answer.read().decode())
