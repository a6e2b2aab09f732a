"""Counting: exact over threads, processes and their deaths, bounded, and silent when unwanted."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import Session

from cdn_edge.tallies import Hits, Tallies
from gateway.prometheus import FOLDER, PrometheusMeter, forget_gauges, group_text
from models.accounts import open_account
from models.catalogue import KNOWN, METRICS
from models.database import Database, open_sqlite
from models.meter import Meter, counted
from models.schema import migrate
from tests.prometheus import PROMTOOL, needs_prometheus

ROOT = Path(__file__).parents[1]
NAMES = {metric.name for metric in METRICS}
PART = """
import sys
from gateway.prometheus import PrometheusMeter
meter = PrometheusMeter()
meter.count("calotype_orders_total", "done", by=int(sys.argv[1]))
meter.timed("calotype_database_queue_seconds", "read", seconds=0.003)
meter.show("calotype_render_waiting", value=int(sys.argv[1]))
meter.show("calotype_outbox_unsent", value=7)
print("counted", flush=True)
sys.stdin.read()
"""


def values(text: bytes, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == name
    }


def part(folder: Path, number: int) -> "subprocess.Popen[bytes]":
    """One process of a group, which has counted when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", PART, str(number)],
        cwd=ROOT,
        env={**os.environ, FOLDER: str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"counted\n"
    return process


def killed(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_what_a_killed_process_counted_stays_and_what_it_showed_goes(tmp_path: Path) -> None:
    first, second = part(tmp_path, 5), part(tmp_path, 20)
    done = (("state", "done"),)
    assert values(group_text(tmp_path), "calotype_orders_total")[done] == 25
    assert values(group_text(tmp_path), "calotype_render_waiting") == {(): 25}
    killed(first)
    forget_gauges(first.pid, tmp_path)
    third = part(tmp_path, 100)
    text = group_text(tmp_path)
    assert values(text, "calotype_orders_total")[done] == 125
    assert values(text, "calotype_database_queue_seconds_count")[(("kind", "read"),)] == 3
    assert values(text, "calotype_render_waiting") == {(): 120}
    assert values(text, "calotype_outbox_unsent") == {(): 7}
    for process in (second, third):
        killed(process)


@needs_prometheus
def test_promtool_finds_nothing_to_complain_of_in_a_group(tmp_path: Path) -> None:
    killed(part(tmp_path, 1))
    checked = subprocess.run(
        [PROMTOOL or "", "check", "metrics"],
        input=group_text(tmp_path),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


async def test_no_addition_of_a_thread_is_lost() -> None:
    meter = PrometheusMeter()
    tallies = Tallies(meter)

    def add() -> None:
        for _ in range(20_000):
            tallies.hits.note(200, 3, perf_counter())

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            await meter.numbers()
    finally:
        sys.setswitchinterval(before)
    text = await meter.numbers()
    hit = (("status", "200"), ("tier", "memory"))
    assert values(text, "calotype_edge_requests_total")[hit] == 80_000
    assert values(text, "calotype_edge_bytes_total")[(("tier", "memory"),)] == 240_000
    timed = values(text, "calotype_edge_request_seconds_count")
    assert timed[(("tier", "memory"),)] == 80_000


async def test_labels_of_a_metric_are_bounded() -> None:
    meter = PrometheusMeter()
    for number in range(2_000):
        meter.count("calotype_uploads_total", f"mistake-{number}")
    seen = values(await meter.numbers(), "calotype_uploads_total")
    assert len(seen) < 600
    assert sum(seen.values()) == 2_000
    assert seen[(("outcome", "other"),)] > 1_000


def test_every_metric_is_counted_somewhere_and_nothing_else_is() -> None:
    said = set()
    for package in ("models", "pipeline", "cdn_edge", "gateway"):
        for file in (ROOT / package).rglob("*.py"):
            if file.name != "catalogue.py":
                said |= set(re.findall(r'"(calotype_[a-z_]+)"', file.read_text()))
    assert said - NAMES == set()
    assert NAMES - said == set()
    assert set(KNOWN) <= NAMES


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[tuple[Database, PrometheusMeter]]:
    meter = PrometheusMeter()
    database = open_sqlite(tmp_path / "calotype.sqlite", 2, meter)
    migrate(database.engine)
    yield database, meter
    database.close()


async def test_a_transaction_counts_when_it_is_committed_and_not_before(
    books: tuple[Database, PrometheusMeter],
) -> None:
    database, meter = books
    await database.run(open_account, "one", 70, 0)

    def broken(session: Session) -> None:
        open_account(session, "two", 5, 0)
        counted(session, "calotype_orders_total", "done")
        raise LookupError

    with pytest.raises(LookupError):
        await database.run(broken)
    text = await meter.numbers()
    assert values(text, "calotype_credits_total")[(("movement", "grant"),)] == 70
    assert values(text, "calotype_orders_total")[(("state", "done"),)] == 0
    timed = values(text, "calotype_database_transaction_seconds_count")
    assert timed[(("kind", "write"),)] == 2


def test_a_system_without_metrics_counts_nothing_and_fails_nowhere() -> None:
    meter = Meter()
    tallies = Tallies(meter)
    tallies.hits.note(304, 0, perf_counter())
    with meter.timing("calotype_render_queue_seconds"):
        meter.count("calotype_orders_total", "done")
    assert isinstance(tallies.hits, Hits)
