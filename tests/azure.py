"""Azure Blob Storage: Microsoft's own emulator, Azurite, which npm brings the first time."""

import base64
import contextlib
import hashlib
import hmac
import shutil
import signal
import subprocess
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.servers import free_ports, server_folder, start, stop, wait_until

HERE = Path(__file__).parent / "azurite"
PROGRAM = HERE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_VERSION = "2021-08-06"


class Absent(Exception):
    """Node or Azurite cannot be had here."""


class Azure(NamedTuple):
    """An emulator with its one account, whose key is known to everybody."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def make_bucket(self, name: str) -> None:
        self._ask("PUT", name)

    def drop_bucket(self, name: str) -> None:
        """With all that is in it."""
        self._ask("DELETE", name)

    def _ask(self, method: str, container: str) -> None:
        date = formatdate(usegmt=True)
        signed = (
            f"{method}\n{chr(10) * 11}x-ms-date:{date}\nx-ms-version:{_VERSION}\n"
            f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
        )
        proof = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": _VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(proof).decode()}",
        }
        url = f"{self.endpoint}/{container}?restype=container"
        urlopen(Request(url, method=method, headers=headers), timeout=10).close()  # noqa: S310 ours


@contextlib.contextmanager
def azure_server(bucket: str) -> Iterator[Azure]:
    """Raises Absent where there is no node."""
    _install()
    (port,) = free_ports(1)
    server = Azure(port)
    command = ["node", str(PROGRAM), "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    address = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--skipApiVersionCheck"]
    with server_folder() as folder:
        log = folder / "log"
        process = start([*command, *address], log)
        try:
            wait_until(lambda: _answers(port), process, log)
            server.make_bucket(bucket)
            yield server
        finally:
            stop(process, signal.SIGKILL)


def _install() -> None:
    if not shutil.which("node") or not shutil.which("npm"):
        raise Absent("node or npm is not installed")
    if PROGRAM.exists():
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=280, check=False
    )
    if done.returncode:
        raise Absent(f"npm could not install azurite: {done.stderr.strip()[-300:]}")


def _answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
    except URLError as error:
        return hasattr(error, "code")
    except OSError:
        return False
    return True
