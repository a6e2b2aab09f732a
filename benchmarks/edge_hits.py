"""(a) Hits of the edge beside nginx and beside granian with nothing in it: one core each.

Every server is one worker on the first core, wrk is on the others: what is told is what a core
gives. All servers run all the time and are asked in turns, several rounds, so that a busy machine
harms each alike; figures are medians over the rounds. Needs wrk and nginx on PATH (Debian:
`apt-get install wrk nginx-light`).
"""

import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from measured import Measured
from programs import cpu_seconds, free_port, running
from wrk import ask

BUCKET: Final = "benchmark1"
SERVED: Final = Path(__file__).with_name("edge_served.py")
NGINX: Final = """
{user} worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    open_file_cache max=2000; types {{ image/webp webp; }}
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


class Row(NamedTuple):
    """Who was asked, how, and where."""

    name: str
    port: int
    session: int
    headers: tuple[str, ...] = ()


class Figure(NamedTuple):
    """Requests a second, milliseconds, and requests per second of the server's CPU time."""

    rate: float
    p50: float
    p99: float
    per_cpu: float


Round = dict[str, Figure]


def measure(kilobytes: int, keys: int, seconds: int, rounds: int) -> Iterator[Measured]:
    """Every server with bodies of this size."""
    rows = _rounds(kilobytes, keys, seconds, rounds)
    for name in rows[0]:
        facts = {column: round(_median(rows, name, column), 2) for column in Figure._fields}
        facts["x_granian"] = round(_median(rows, name, "rate", "granian"), 2)
        target = 0.6 if name == "edge" else None
        rate = _median(rows, name, "rate", "nginx")
        yield Measured(f"hits of {kilobytes} KB: {name}, req/s", rate, target, facts)
    slowness = _median(rows, "edge", "p99", "nginx")
    yield Measured(f"hits of {kilobytes} KB: edge, nginx's p99 to ours", 1 / slowness, 0.5, {})


def _rounds(kilobytes: int, keys: int, seconds: int, rounds: int) -> list[Round]:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        (folder / BUCKET).mkdir()
        paths = [f"/{BUCKET}/{number}-{kilobytes}.webp" for number in range(keys)]
        for path in paths:
            (folder / path[1:]).write_bytes(os.urandom(kilobytes * 1024))
        first, *others = sorted(os.sched_getaffinity(0))
        with contextlib.ExitStack() as stack:
            with _on(first):
                rows = stack.enter_context(_servers(folder))
            stack.enter_context(_on(*others or [first]))
            for row in rows:
                _ask(row, paths, 1)
            return [{row.name: _ask(row, paths, seconds) for row in rows} for _ in range(rounds)]


@contextlib.contextmanager
def _on(*cores: int) -> Iterator[None]:
    """Whatever is started meanwhile runs on these cores."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


@contextlib.contextmanager
def _servers(folder: Path) -> Iterator[list[Row]]:
    """nginx, granian bare and dressed, and the edge, over the same files."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=port, user=user))
        session = stack.enter_context(running("nginx", "-c", config, port=port))
        rows = [Row("nginx", port, session)]
        dresses = {"granian": ["bare"], "granian, our headers": ["dressed"], "edge": []}
        for name, dress in dresses.items():
            port = free_port()
            command = (sys.executable, SERVED, folder, str(port), *dress)
            rows.append(Row(name, port, stack.enter_context(running(*command, port=port))))
        yield [*rows, rows[-1]._replace(name="edge, 304", headers=("If-None-Match: *",))]


def _ask(row: Row, paths: list[str], seconds: int) -> Figure:
    before = cpu_seconds(row.session)
    figure = ask(row.port, paths, seconds=seconds, headers=row.headers)
    spent = cpu_seconds(row.session) - before
    return Figure(figure.rate, figure.p50, figure.p99, figure.done / max(spent, 0.01))


def _median(rounds: list[Round], row: str, column: str, over: str | None = None) -> float:
    """Of a column, or of its ratio to another row within each round."""
    return statistics.median(
        getattr(figures[row], column) / (getattr(figures[over], column) if over else 1)
        for figures in rounds
    )
