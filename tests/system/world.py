"""A real `calotype up` as a process, driven from outside."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pysqlite3.dbapi2

CALOTYPE = Path(sys.executable).with_name("calotype")
READY_SECONDS = 60
ANY_PORTS = ("--port", "0", "--edge-port", "0")

# Tests share a key and an address: only those about limits may reach them.
UNLIMITED = {
    "CALOTYPE_RATE_LIMIT": "1000000/minute",
    "CALOTYPE_RATE_LIMIT_PIXELS": "1000000/minute",
    "CALOTYPE_RATE_LIMIT_STRANGERS": "1000000/minute",
}


class World:
    """A system on a data folder of its own; the key is kept over restarts."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.environment = environment
        self.command: list[str | Path] = [CALOTYPE]
        self.key = ""

    def start(self) -> None:
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.command,
                    "up",
                    "--data",
                    self.data,
                    "--port",
                    "0",
                    "--edge-port",
                    "0",
                    "--json",
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env=clean_environment() | UNLIMITED | self.environment,
                start_new_session=True,
            )
        told = json.loads(self._first_line())
        self.api, self.edge = told["api"], told["edge"]
        self.metrics = told["metrics"].removeprefix("http://")
        self.key = told["key"] or self.key
        self.http = httpx2.Client(
            base_url=self.api,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=60,
            trust_env=False,
        )

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], READY_SECONDS)
        line = self.process.stdout.readline().decode() if readable else ""
        if not line:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            raise AssertionError(f"not ready: {self.log()}")
        return line

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._gone()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._gone()

    def _gone(self) -> int:
        code = self.process.wait(30)
        if self.process.stdout:
            self.process.stdout.close()
        self.http.close()
        return code

    def upload(self, picture: bytes, **fields: object) -> httpx2.Response:
        """One upload; values that are not text become JSON."""
        form = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in fields.items()
        }
        file = {"image": ("picture.jpg", picture, "image/jpeg")}
        return self.http.post("/api/v1/images", data=form, files=file)

    def generate(self, prompt: str, picture: bytes | None = None, **fields: object) -> Any:
        """One generation; values that are not text become JSON."""
        form = {"prompt": prompt} | {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in fields.items()
            if name != "prefer"
        }
        parts = {name: (None, value) for name, value in form.items()}
        file = {"image": ("template.jpg", picture, "image/jpeg")} if picture else {}
        headers = {"Prefer": str(fields["prefer"])} if "prefer" in fields else {}
        return self.http.post("/api/v1/generate", files=parts | file, headers=headers)

    def credits(self) -> int:
        """What the first account has left, as its database says."""
        file = f"file:{self.data}/calotype.sqlite?mode=ro"
        with contextlib.closing(pysqlite3.dbapi2.connect(file, uri=True)) as database:
            query = "SELECT credits_free + credits_paid FROM account WHERE name = 'default'"
            return int(database.execute(query).fetchone()[0])

    def run(self, *command: str) -> Any:
        """A calotype command on this system's folder, its JSON."""
        done = subprocess.run(
            [CALOTYPE, *command, "--data", self.data],
            capture_output=True,
            text=True,
            check=True,
            env=clean_environment() | self.environment,
        )
        return json.loads(done.stdout)

    def staging(self) -> list[Path]:
        """What lies in staging."""
        return [path for path in (self.data / "objects" / "staging").rglob("*") if path.is_file()]


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CALOTYPE_")}


@contextlib.contextmanager
def world(data: Path, **environment: str) -> Iterator[World]:
    """A started world, stopped or killed at the end."""
    made = World(data, **environment)
    made.start()
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.stop()


def eventually(condition: Any, seconds: float = 10) -> Any:
    """What `condition()` returns once it is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def family(process: int) -> list[int]:
    """The live descendants of a process."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == process and state != "Z":
                    found += [int(folder.name), *family(int(folder.name))]
    return found


def command_of(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
