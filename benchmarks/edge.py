"""Hits of the edge against nginx and against granian with nothing in it: one worker each.

    python benchmarks/edge.py [--seconds 3] [--rounds 3] [--keys 200] [--sizes 20 200]

Needs wrk and nginx on PATH (Debian: `apt-get install wrk nginx-light`). All servers run all the
time and are asked in turns, several rounds, so that a busy machine harms each alike; figures are
medians over the rounds. Prints a table, then one JSON line per row.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cdn_edge.answers import Copy
from cdn_edge.app import Edge, edge_app
from cdn_edge.cache import open_cache
from cdn_edge.entry import Entry
from cdn_edge.rsgi import HTTPProtocol, Scope

ROOT = Path(__file__).parent.parent
BUCKET = "benchmark1"
FOLDER = "EDGE_BENCHMARK_FOLDER"
NGINX = """
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    open_file_cache max=2000; types {{ image/webp webp; }}
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
LUA = """
local keys, at = {keys}, 0
local asked = {{}}
init = function()
    for n = 0, keys - 1 do asked[n] = wrk.format("GET", "/{bucket}/" .. n .. "-{size}.webp") end
end
request = function() at = (at + 1) % keys; return asked[at] end
"""
MODIFIED = 1_700_000_000

App = Callable[[Scope, HTTPProtocol], Awaitable[None]]


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


def _entry(body: bytes, path: str) -> Entry:
    digest = hashlib.sha256(body).hexdigest()
    return Entry(
        path=path,
        content_type="image/webp",
        etag=digest,
        size=len(body),
        last_modified=MODIFIED,
        immutable=True,
    )


def edge() -> Edge:
    """The edge over a folder, trusted, with room for everything."""
    root = Path(os.environ[FOLDER])

    async def find(bucket: str, key: str) -> Entry:
        path = f"{bucket}/{key}"
        return _entry((root / path).read_bytes(), path)

    async def fetch(entry: Entry) -> bytes:
        return (root / entry.path).read_bytes()

    made = edge_app(find, fetch, open_cache(1_000_000_000))
    made.trust()
    return made


def bare() -> App:
    """The least that granian can do: the same bodies in turn, two headers, nothing looked at."""
    bodies = itertools.cycle(_bodies())
    headers = [("content-type", "image/webp"), ("content-length", str(len(next(bodies))))]

    async def app(_: Scope, proto: HTTPProtocol) -> None:
        proto.response_bytes(200, headers, next(bodies))

    return app


def dressed() -> App:
    """The same with the headers that the edge sends."""
    copies = itertools.cycle([Copy(_entry(body, ""), body) for body in _bodies()])

    async def app(_: Scope, proto: HTTPProtocol) -> None:
        copy = next(copies)
        proto.response_bytes(200, copy.headers, copy.body)

    return app


def _bodies() -> list[bytes]:
    return [path.read_bytes() for path in Path(os.environ[FOLDER], BUCKET).iterdir()]


@contextlib.contextmanager
def running(*command: str, port: int, **environment: str) -> Iterator[int]:
    """The session of a server that listens on this port and is gone at the end."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    with subprocess.Popen(command, env=env, cwd=ROOT, start_new_session=True) as server:
        try:
            _wait_for(port)
            yield server.pid
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[list[Row]]:
    """nginx, granian bare and dressed, and the edge, over the same files."""
    with contextlib.ExitStack() as stack:
        port = _free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        nginx = ("nginx", "-c", str(folder / "nginx.conf"))
        rows = [Row("nginx", port, stack.enter_context(running(*nginx, port=port)))]
        for name, factory in (
            ("granian", "bare"),
            ("granian, our headers", "dressed"),
            ("edge", "edge"),
        ):
            port = _free_port()
            granian = (sys.executable, "-m", "granian", "--interface", "rsgi", "--factory")
            command = (*granian, "--no-ws", "--no-log", "--port", str(port))
            environment = {FOLDER: str(folder)}
            server = running(*command, f"benchmarks.edge:{factory}", port=port, **environment)
            rows.append(Row(name, port, stack.enter_context(server)))
        yield [*rows, rows[-1]._replace(name="edge, 304", headers=("If-None-Match: *",))]


def ask(row: Row, script: Path, seconds: int) -> Figure:
    """One run of wrk: 32 connections, keys in turn."""
    headers = [part for header in row.headers for part in ("-H", header)]
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", "-s", str(script), *headers]
    before = _cpu_seconds(row.session)
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{row.port}"], capture_output=True, text=True, check=True
    )
    spent = _cpu_seconds(row.session) - before
    if "Non-2xx or 3xx" in done.stdout:
        sys.exit(f"{row.name} refused:\n{done.stdout}")
    return Figure(
        rate=_number(r"Requests/sec:\s+([0-9.]+)", done.stdout),
        p50=_latency(done.stdout, 50),
        p99=_latency(done.stdout, 99),
        per_cpu=_number(r"([0-9]+) requests in", done.stdout) / max(spent, 0.01),
    )


def _cpu_seconds(session: int) -> float:
    """User and system time of all processes of a session: fair also on a busy machine."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12]) if int(fields[3]) == session else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _latency(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([0-9.]+)(us|ms|s)", text)
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]] if found else 0.0


def measure(kilobytes: int, keys: int, seconds: int, rounds: int) -> list[Round]:
    """Every round's figures by row, for bodies of this size."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        (folder / BUCKET).mkdir()
        for number in range(keys):
            name = f"{number}-{kilobytes}.webp"
            (folder / BUCKET / name).write_bytes(os.urandom(kilobytes * 1024))
        script = folder / "keys.lua"
        script.write_text(LUA.format(keys=keys, bucket=BUCKET, size=kilobytes))
        with servers(folder) as rows:
            for row in rows:
                ask(row, script, 1)
            return [{row.name: ask(row, script, seconds) for row in rows} for _ in range(rounds)]


def _median(rounds: list[Round], row: str, column: str, over: str | None = None) -> float:
    """Of a column, or of its ratio to another row within each round."""
    return statistics.median(
        getattr(figures[row], column) / (getattr(figures[over], column) if over else 1)
        for figures in rounds
    )


def report(kilobytes: int, rounds: list[Round]) -> list[dict[str, object]]:
    """Print the table; the same as JSON values."""
    print(f"\nhits of {kilobytes} KB     req/s  p50 ms  p99 ms  req/cpu-s", end="")
    print(" | req/s: x nginx  x bare | req/cpu-s: x nginx  x bare")
    values: list[dict[str, object]] = []
    for name in rounds[0]:
        facts = {column: round(_median(rounds, name, column), 2) for column in Figure._fields}
        ratios = {
            f"{column}_to_{over}": round(_median(rounds, name, column, over), 3)
            for column in ("rate", "per_cpu")
            for over in ("nginx", "granian")
        }
        print("{:22}{:8.0f}{:8.2f}{:8.2f}{:11.0f} |".format(name, *facts.values()), end="")
        print("{:15.2f}{:8.2f} |{:19.2f}{:8.2f}".format(*ratios.values()))
        about = {"benchmark": "edge-hit", "kilobytes": kilobytes, "server": name}
        values.append({**about, **facts, **ratios})
    return values


def main() -> None:
    """Measure every size and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 200])
    asked = parser.parse_args()
    lines: list[dict[str, object]] = []
    for kilobytes in asked.sizes:
        rounds = measure(kilobytes, asked.keys, asked.seconds, asked.rounds)
        lines += report(kilobytes, rounds)
    print()
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
