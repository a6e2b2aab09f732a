"""Sharp beside us: one node process that is asked for the same prints."""

import contextlib
import itertools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.parity.case import Case

HERE = Path(__file__).parent
VERSION = "0.35.5"


class Absent(Exception):
    """Node or sharp cannot be had here."""


class Peer:
    """Cases in, answers out, in whatever order sharp finishes them."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._ids = itertools.count()
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, case: Case, source: Path) -> "Future[dict[str, Any]]":
        """The print of a case: `width`, `height` and `file`, or `error`."""
        number = next(self._ids)
        output = self._folder / f"{number}.{case.format}"
        self._answers[number] = answer = Future()
        asked = case.for_sharp() | {"id": number, "input": str(source), "output": str(output)}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return answer

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            said = json.loads(line)
            number = said["id"]
            file = next(self._folder.glob(f"{number}.*"), None)
            self._answers.pop(number).set_result(said | {"file": file})
        for answer in self._answers.values():
            answer.set_exception(Absent("node ended"))


def installed_sharp() -> Path:
    """The folder whose node_modules hold sharp; npm brings it the first time."""
    if not shutil.which("node"):
        raise Absent("node is not installed")
    package = HERE / "node_modules" / "sharp" / "package.json"
    if not package.exists() or json.loads(package.read_text())["version"] != VERSION:
        _install()
    return HERE


def _install() -> None:
    if not shutil.which("npm"):
        raise Absent("npm is not installed")
    command = ["npm", "ci", "--no-audit", "--no-fund", "--omit=dev"]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode:
        raise Absent(f"npm could not install sharp: {done.stderr.strip()[-300:]}")


@contextlib.contextmanager
def sharp_peer(folder: Path) -> Iterator[Peer]:
    """Start node; its prints are written to `folder`."""
    process = subprocess.Popen(
        ["node", str(installed_sharp() / "sharp.js")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Peer(process, folder)
        process.kill()
