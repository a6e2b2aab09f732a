"""CPU seconds and written bytes of everything that this process started, by what it is."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _CUTIME = 11, 13  # in /proc/pid/stat, counted behind the name; system time follows each
_SERVERS: Final = {
    "nats-server": "nats",
    "weed": "s3",
    "postgres": "postgres",
    "valkey-server": "valkey",
    "redis-server": "valkey",
    "nginx": "nginx",
}
_ROLES: Final = {"up": "calotype"}
_PARENTS: Final = ("pipeline", "calotype")


class Spent(NamedTuple):
    """Totals since each process started."""

    cpu: dict[str, float]
    written: dict[str, float]

    def since(self, before: "Spent") -> "Spent":
        """What came to it."""
        return Spent(_minus(self.cpu, before.cpu), _minus(self.written, before.written))


def spent() -> Spent:
    """All descendants, and this process itself as the client."""
    cpu: dict[str, float] = defaultdict(float)
    written: dict[str, float] = defaultdict(float)
    cpu["client"] = _seconds(os.getpid(), _UTIME)
    for process, kind in _family(os.getpid()):
        with contextlib.suppress(OSError):
            cpu[kind] += _seconds(process, _UTIME)
            cpu["children" if kind in _PARENTS else kind] += _seconds(process, _CUTIME)
            written[kind] += _written(process)
    return Spent(dict(cpu), dict(written))


def kind_of(command: list[str]) -> str:
    """What a process is, by its command line."""
    if "pipeline.child" in command:
        return "children"
    words = [Path(word).name for word in command]
    for name, kind in _SERVERS.items():
        if words and words[0].startswith(name):  # some say there what they do
            return kind
    after = words[words.index("calotype") + 1 :] if "calotype" in words else []
    role = next((word for word in after if not word.startswith("-")), "other")
    return _ROLES.get(role, role)


def _family(root: int) -> Iterator[tuple[int, str]]:
    for task in _listed(Path(f"/proc/{root}/task")):
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                command = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace")
                yield int(child), kind_of([word for word in command.split("\0") if word])
                yield from _family(int(child))


def _listed(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []


def _seconds(process: int, field: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[field]) + int(fields[field + 1])) / _TICKS


def _written(process: int) -> float:
    """Bytes that went to a disk; nothing where we may not look."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/io").read_text().splitlines()
        return float(dict(line.split(": ") for line in lines)["write_bytes"])
    return 0.0


def _minus(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {kind: value - before.get(kind, 0.0) for kind, value in after.items()}
