"""The data folder of an embedded system: ours, writable, and one system's at a time."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from models.settings import Settings, SettingsError

_MARKER = "calotype-data"
_MARKER_TEXT = "This folder belongs to Calotype: database, objects, streams, secret.\n"
_SHORTEST_SECRET = 32


class Occupied(SettingsError):
    """Another system runs on this folder."""


def claim(folder: Path) -> None:
    """Make the folder ours, or raise SettingsError: somebody else's files are not touched."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / _MARKER).exists():
            if any(folder.iterdir()):
                raise SettingsError(
                    f"{folder} is not empty and not a Calotype data folder: "
                    "choose another one with --data."
                )
            (folder / _MARKER).write_text(_MARKER_TEXT)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "not writable")
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise SettingsError(
            f"The data folder {folder} cannot be used ({reason}): choose another one with --data."
        ) from None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this system; SettingsError when another one has it."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(
                f"Another calotype is running on {folder}: stop it, or choose another --data."
            ) from None
        yield


def note_running(folder: Path, addresses: dict[str, str]) -> None:
    """Write down where the system on this folder is reached, for commands beside it."""
    fresh = folder / "running.json.new"
    fresh.write_text(json.dumps(addresses | {"pid": str(os.getpid())}))
    fresh.replace(folder / "running.json")


def running_at(folder: Path) -> dict[str, str]:
    """What was written down last; its system may be gone. Empty when there is nothing."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads((folder / "running.json").read_text()))
    return {}


def secret_of(settings: Settings) -> str:
    """The secret that keys are hashed with: given, or made once and kept in the data folder."""
    if settings.secret:
        if len(settings.secret) < _SHORTEST_SECRET:
            raise SettingsError(
                f"CALOTYPE_SECRET is shorter than {_SHORTEST_SECRET} characters: "
                "make one with 'openssl rand -hex 32'."
            )
        return settings.secret
    file = settings.data / "secret"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as fresh:
            fresh.write(secrets.token_hex(32))
            fresh.flush()
            os.fsync(descriptor)
    return file.read_text()
