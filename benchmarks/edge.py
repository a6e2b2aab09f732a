"""Hits of the edge against nginx and against granian with nothing in it: one worker each.

    python benchmarks/edge.py [--seconds 3] [--rounds 3] [--keys 200] [--sizes 20 200]

Needs wrk and nginx on PATH (Debian: `apt-get install wrk nginx-light`). All servers run all the
time and are asked in turns, several rounds, so that a busy machine harms each alike; figures are
medians over the rounds. Prints a table, then one JSON line per row.
"""

import argparse
import contextlib
import hashlib
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
    """The least that granian can do: one body, two headers, nothing looked at."""
    body = _one_body()
    headers = [("content-type", "image/webp"), ("content-length", str(len(body)))]

    async def app(_: Scope, proto: HTTPProtocol) -> None:
        proto.response_bytes(200, headers, body)

    return app


def dressed() -> App:
    """The same with the headers that the edge sends."""
    copy = Copy(_entry(_one_body(), ""), _one_body())

    async def app(_: Scope, proto: HTTPProtocol) -> None:
        proto.response_bytes(200, copy.headers, copy.body)

    return app


def _one_body() -> bytes:
    return next(Path(os.environ[FOLDER]).glob(f"{BUCKET}/0-*.webp")).read_bytes()


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
            ("granian, bare", "bare"),
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


def ask(row: Row, script: Path, seconds: float) -> Figure:
    """One run of wrk: 32 connections, keys in turn."""
    headers = [part for header in row.headers for part in ("-H", header)]
    command = ["wrk", "-t1", "-c32", f"-d{seconds:g}s", "--latency", "-s", str(script), *headers]
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


def measure(kilobytes: int, keys: int, seconds: float, rounds: int) -> dict[str, Figure]:
    """Medians by row for bodies of this size."""
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
            runs = [{row.name: ask(row, script, seconds) for row in rows} for _ in range(rounds)]
    return {row.name: _median([run[row.name] for run in runs]) for row in rows}


def _median(figures: list[Figure]) -> Figure:
    return Figure(*(statistics.median(column) for column in zip(*figures, strict=True)))


def report(kilobytes: int, figures: dict[str, Figure]) -> list[dict[str, object]]:
    """Print the table; the same as JSON values."""
    print(
        f"\nhits of {kilobytes} KB     req/s  p50 ms  p99 ms  req/cpu-s |  req/s x nginx  x bare |",
        end="",
    )
    print("  req/cpu-s x nginx  x bare")
    nginx, bare_one = figures["nginx"], figures["granian, bare"]
    values: list[dict[str, object]] = []
    for name, one in figures.items():
        ratios = {
            "toNginx": one.rate / nginx.rate,
            "toBare": one.rate / bare_one.rate,
            "cpuToNginx": one.per_cpu / nginx.per_cpu,
            "cpuToBare": one.per_cpu / bare_one.per_cpu,
        }
        print(
            f"{name:20} {one.rate:8.0f} {one.p50:7.2f} {one.p99:7.2f} {one.per_cpu:10.0f} |", end=""
        )
        print("{:15.2f} {:7.2f} | {:18.2f} {:7.2f}".format(*ratios.values()))
        rounded = {key: round(value, 3) for key, value in ratios.items()}
        facts = {"benchmark": "edge-hit", "kilobytes": kilobytes, "server": name}
        values.append({**facts, **one._asdict(), **rounded})
    return values


def main() -> None:
    """Measure every size and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 200])
    asked = parser.parse_args()
    lines: list[dict[str, object]] = []
    for kilobytes in asked.sizes:
        figures = measure(kilobytes, asked.keys, asked.seconds, asked.rounds)
        lines += report(kilobytes, figures)
    print()
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
