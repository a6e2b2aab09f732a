"""Bytes on their way to staging: counted, hashed, bounded, and their beginning kept."""

import hashlib

from models.errors import TooLarge
from models.wire import Wire
from pipeline.sniff import NEEDED
from pipeline.storage import Sink


class StagedFile(Wire, frozen=True):
    """An original that lies in staging; `head` is its first few kilobytes.

    `name` and `content_type` are what its sender called it, and never trusted.
    """

    name: str
    content_type: str
    size: int
    sha256: str
    head: bytes


class Measured:
    """A sink in front of a sink. Raises TooLarge after `limit` bytes."""

    def __init__(self, sink: Sink, limit: int) -> None:
        self._sink = sink
        self._limit = limit
        self._hash = hashlib.sha256()
        self._head = b""
        self.size = 0

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size += len(chunk)
        if self.size > self._limit:
            raise TooLarge(f"The file is larger than {self._limit} bytes.")
        self._hash.update(chunk)
        if len(self._head) < NEEDED:
            self._head += chunk[: NEEDED - len(self._head)]
        await self._sink.write(chunk)

    def staged(self, name: str, content_type: str) -> StagedFile:
        """What passed, as a value."""
        return StagedFile(
            name=name,
            content_type=content_type or "application/octet-stream",
            size=self.size,
            sha256=self._hash.hexdigest(),
            head=self._head,
        )
