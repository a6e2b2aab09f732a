"""A system that is measured, and the one that everything is embedded in."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from benchmarks.scaling.costs import Shape
from gateway.nats_server import running_nats
from tests.system.world import CALOTYPE, clean_environment

PLENTY: Final = {
    "CALOTYPE_RATE_LIMIT": "1000000/minute",  # counted all the same: that is part of the price
    "CALOTYPE_RATE_LIMIT_PIXELS": "1000000/minute",
    "CALOTYPE_FREE_CREDITS": "1000000",
    "CALOTYPE_TOTAL_STORAGE": "1000000000000",
    "CALOTYPE_LOG_LEVEL": "info",
    "CALOTYPE_DEVELOP_SECONDS": "60",  # a busy machine is slow, not hostile
    "CALOTYPE_ANSWER_SECONDS": "300",
}


class System(NamedTuple):
    """A running system: where it is used, and where it is looked at."""

    shape: Shape
    api: str
    edge: str
    key: str
    database_url: str
    data: Path
    nats: tuple[str, str]
    """Address and token."""
    operators: list[str]
    """Where its processes tell their metrics."""
    monitors: list[str]
    """Of the NATS servers, where they have any."""


@contextlib.contextmanager
def embedded() -> Iterator[System]:
    """`calotype up` as it is."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command = [CALOTYPE, "up", "--data", data, "--port", "0", "--edge-port", "0", "--json"]
        environment = clean_environment() | PLENTY
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        output = cast("IO[bytes]", process.stdout)
        try:
            told = json.loads(output.readline())
            nats = running_nats(data)
            yield System(
                shape=Shape(system="embedded"),
                api=told["api"],
                edge=told["edge"],
                key=told["key"],
                database_url="",
                data=data,
                nats=(nats.url, nats.token),
                operators=[told["metrics"]] if "metrics" in told else [],
                monitors=[],
            )
        finally:
            process.terminate()
            process.wait()
            output.close()
