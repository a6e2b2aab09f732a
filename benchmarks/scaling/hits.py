"""What the edge spends: on hits from memory by their size, and on a picture's first hit."""

import contextlib
import http.client
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from benchmarks.programs import ROOT, cpu_seconds, free_port, running
from benchmarks.scaling.costs import Hits
from benchmarks.scaling.embedded import System
from benchmarks.scaling.spent import spent
from benchmarks.wrk import ask

_SERVED: Final = ROOT / "benchmarks" / "edge_served.py"
_BUCKET: Final = "benchmark1"
_KEYS: Final = 50
_SECONDS: Final = 3
_THREADS: Final = 4


def hits(kilobytes: int) -> Hits:
    """Of bodies of this size: by wrk where there is one, else by a slower client of our own."""
    with tempfile.TemporaryDirectory() as home:
        paths = [f"/{_BUCKET}/{number}-{kilobytes}.webp" for number in range(_KEYS)]
        (Path(home) / _BUCKET).mkdir()
        for path in paths:
            (Path(home) / path[1:]).write_bytes(os.urandom(kilobytes * 1024))
        port = free_port()
        with running(sys.executable, _SERVED, home, str(port), port=port) as session:
            _answered(port, paths, 1)
            before = cpu_seconds(session)
            done, seconds = _answered(port, paths, _SECONDS)
            used = cpu_seconds(session) - before
    return Hits(size=kilobytes * 1024, cpu=used / done, per_second=done / seconds)


def _answered(port: int, paths: list[str], seconds: float) -> tuple[int, float]:
    """Requests, and the seconds they took."""
    if shutil.which("wrk"):
        figure = ask(port, paths, seconds=seconds)
        return figure.done, figure.done / figure.rate
    began, counts = time.perf_counter(), [0] * _THREADS
    threads = [
        threading.Thread(target=_ask, args=(port, paths, began + seconds, counts, number))
        for number in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.perf_counter() - began


def _ask(port: int, paths: list[str], end: float, counts: list[int], number: int) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as line:
        while time.perf_counter() < end:
            line.request("GET", paths[counts[number] % len(paths)])
            line.getresponse().read()
            counts[number] += 1


def misses(system: System) -> dict[str, float]:
    """CPU seconds of one first hit, by who spends them: nothing of it is in the edge yet."""
    with httpx2.Client(timeout=60, trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {system.key}"
        addresses = list(_addresses(client, system))
        before = spent()
        for address in addresses:
            client.get(f"{system.edge}{address}").raise_for_status()
        used = spent().since(before).cpu
    return {
        kind: seconds / len(addresses)
        for kind, seconds in used.items()
        if kind in ("edge", "calotype", "postgres", "s3", "nats")
    }


def _addresses(client: httpx2.Client, system: System) -> Iterator[str]:
    """Paths of all variants of the newest images."""
    images = client.get(f"{system.api}/api/v1/images", params={"limit": 100}).json()["data"]
    for image in images:
        for variant in image["metadata"]:
            if variant["objectKey"]:
                yield f"{urlsplit(image['urlBase']).path}/{variant['objectKey']}"
