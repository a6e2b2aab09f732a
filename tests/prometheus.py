"""Debian's Prometheus on a port of its own, scraping every second what a test names."""

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import yaml

from tests.servers import free_ports, server_folder, start, stop, wait_until

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
SCRAPE_SECONDS = 30.0

# Whoever sets CI has installed it: there a test that cannot find it fails.
needs_prometheus = pytest.mark.skipif(
    (PROMETHEUS is None or PROMTOOL is None) and not os.environ.get("CI"),
    reason="prometheus is not installed: apt-get install prometheus",
)


class Sample(NamedTuple):
    labels: dict[str, str]
    value: float


class Prometheus(NamedTuple):
    """A server and how many targets it scrapes."""

    port: int
    targets: int

    def query(self, expression: str) -> list[Sample]:
        """What an expression is worth now; a scalar is one sample without labels."""
        found = self._ask("query", query=expression)
        if found["resultType"] == "scalar":
            return [Sample({}, float(found["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in found["result"]]

    def value(self, expression: str) -> float:
        """Of the one sample that an expression has."""
        (only,) = self.query(expression)
        return only.value

    def range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Series over time: labels, and pairs of Unix seconds and value."""
        found = self._ask("query_range", query=expression, start=start, end=end, step=step)
        return [
            (one["metric"], [(when, float(value)) for when, value in one["values"]])
            for one in found["result"]
        ]

    def scraped(self) -> None:
        """Return when every target has been scraped, from the beginning, after this was called."""
        called = time.time()
        deadline = time.monotonic() + SCRAPE_SECONDS
        while not self._fresh_since(called):
            assert time.monotonic() < deadline, self.query("up")
            time.sleep(0.2)

    def _fresh_since(self, moment: float) -> bool:
        stamps = [one.value for one in self.query("timestamp(up)")]
        return len(stamps) == self.targets and min(stamps) > moment

    def _ask(self, verb: str, **asked: str | float) -> Any:
        answer = httpx2.post(
            f"http://127.0.0.1:{self.port}/api/v1/{verb}", data=asked, timeout=30, trust_env=False
        )
        told = answer.json()
        assert told["status"] == "success", told
        return told["data"]


@contextlib.contextmanager
def prometheus_server(
    jobs: Mapping[str, Sequence[str]], *, rules: Sequence[Path] = ()
) -> Iterator[Prometheus]:
    """One that scrapes `host:port` addresses by the name of their job, and evaluates `rules`."""
    (port,) = free_ports(1)
    with server_folder() as folder:
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(_config(jobs, rules)))
        log = folder / "log"
        process = start(_command(config, folder / "data", port), log, last_signal=signal.SIGTERM)
        try:
            wait_until(lambda: _ready(port), process, log)
            yield Prometheus(port, sum(map(len, jobs.values())))
        finally:
            stop(process, signal.SIGKILL)


def _config(jobs: Mapping[str, Sequence[str]], rules: Sequence[Path]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(one) for one in rules],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
            for job, addresses in jobs.items()
        ],
    }


def _command(config: Path, data: Path, port: int) -> list[str]:
    return [
        PROMETHEUS or "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


def _ready(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        answer = httpx2.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False)
        return answer.status_code == httpx2.codes.OK
    return False
