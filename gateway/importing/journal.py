"""The journal of an import: what was begun, what is done, what failed. Survives kill -9."""

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import msgspec

from models.columns import now
from models.settings import SettingsError

_KEPT = timedelta(hours=23)
"""The API keeps Idempotency-Keys for a day: until then a repeated upload has one effect."""


class Journal:
    """Lines of JSON, each on disk before what it announces is done."""

    def __init__(self, file: IO[bytes], lines: list[dict[str, Any]]) -> None:
        self._file = file
        self.keys = {line["with"] for line in lines if "with" in line}
        self.done = {line["done"]: line for line in lines if "done" in line}
        self._begun = {line["begun"]: line for line in lines if "begun" in line}
        self._failures = Counter(line["failed"] for line in lines if "failed" in line)

    def opened_with(self, key: str) -> None:
        """Note the API key, as a hash, that the import runs with from now on."""
        if key not in self.keys:
            self._write({"with": key})

    def turn(self, item: str) -> int:
        """How often this item has failed for sure."""
        return self._failures[item]

    def begin(self, key: str, name: str) -> None:
        """It is about to be sent."""
        if key not in self._begun or self.doubt(key):
            self._begun[key] = {"begun": key, "name": name, "at": now().isoformat()}
            self._write(self._begun[key])

    def doubt(self, key: str) -> datetime | None:
        """When it was begun, if that is so long ago that sending it again could double it."""
        line = self._begun.get(key)
        if line is None or key in self.done:
            return None
        begun = datetime.fromisoformat(line["at"])
        return begun if now() - begun > _KEPT else None

    def end(self, key: str, name: str, images: list[str]) -> None:
        """It is there."""
        self.done[key] = {"done": key, "name": name, "images": images}
        self._write(self.done[key])

    def fail(self, item: str, name: str, reason: str) -> None:
        """It was refused, and nothing of it is there."""
        self._failures[item] += 1
        self._write({"failed": item, "name": name, "reason": reason})

    def images(self) -> set[str]:
        """The ids of all images that came of this import."""
        return {image for line in self.done.values() for image in line["images"]}

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """The journal in this file, for this process alone. Raises SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise SettingsError(f"The journal {path} cannot be opened ({error.strerror}).") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"Another import is at work on the journal {path}.") from None
        yield Journal(file, list(_lines(file, path)))


def _lines(file: IO[bytes], path: Path) -> Iterator[dict[str, Any]]:
    """All whole lines; one that a crash cut off says nothing, and is ended."""
    file.seek(0)
    written = file.read()
    if written and not written.startswith(b"{"):
        raise SettingsError(f"{path} is not the journal of an import.")
    if written and not written.endswith(b"\n"):
        file.write(b"\n")
    for line in written.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=dict[str, Any])
