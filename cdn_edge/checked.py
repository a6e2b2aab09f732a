"""Files that were found whole: as long as one is the same file it is not read again for that."""

import asyncio
import hashlib
from collections import OrderedDict
from pathlib import Path

from cdn_edge.look import Look, look_at

_MOST = 10_000
_HEAD = 65_536

_Identity = tuple[str, int, int, int, int, int]


class Checked:
    """What is in a file, if its bytes are the right ones.

    Reading two megabytes for their hash costs a render as much as a decode that is kept saves. A
    file that is written to, replaced or restored is another one, and is read again.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[_Identity, Look] = OrderedDict()

    async def look(self, path: Path, sha256: str) -> Look | None:
        """None when the file has other bytes."""
        identity = _identity(path, sha256)
        known = self._known.get(identity)
        if known is None:
            known = await asyncio.to_thread(_read, path, sha256)
            if known is not None:
                self._remember(identity, known)
        return known

    def _remember(self, identity: _Identity, look: Look) -> None:
        while len(self._known) >= _MOST:
            self._known.popitem(last=False)
        self._known[identity] = look


def _identity(path: Path, sha256: str) -> _Identity:
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (sha256, status.st_dev, status.st_ino, status.st_size, *times)


def _read(path: Path, sha256: str) -> Look | None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            return None
        file.seek(0)
        return look_at(file.read(_HEAD))
