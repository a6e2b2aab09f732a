"""A customer's own storage: it may fail at any time, and that is the customer's failure only."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import structlog

from models.errors import BucketFailed, BucketRefused, Unavailable
from pipeline.storage import NoPlace, Storage, StorageDenies

log = structlog.get_logger(__name__)

# So many failures in a row, and it is left alone for a while: whoever needs it is told at once,
# and nobody else waits behind those who try.
_FAILURES = 3
_REST_SECONDS = 10.0

# Less than the edge's own patience, so that a silent storage is known as one.
_GET_SECONDS = 8.0
# A silent one holds a worker's slot for so long; a slow one gets time by the size of what is put.
_PUT_SECONDS = 10.0
_SLOWEST = 500_000  # bytes a second
_DELETE_SECONDS = 10.0
_AT_ONCE = 8


class CustomerStorage:
    """What Storage does, of one bucket; its failures are BucketFailed with the bucket's key.

    Raises BucketRefused, one of them, when the storage is there and does not let us in.
    """

    def __init__(
        self, storage: Storage, key: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage = storage
        self._key = key
        self._clock = clock
        self._failures = 0
        self._rest_until = 0.0
        self._failure: type[BucketFailed] = BucketFailed

    def refuse_resting(self) -> None:
        """Raise the last failure while this storage rests. One caller in each rest may try it."""
        if self._failures < _FAILURES:
            return
        if self._clock() < self._rest_until:
            raise self._failure.of(self._key)
        self._rest_until = self._clock() + _REST_SECONDS

    async def put(self, key: str, data: bytes | Path, content_type: str = "") -> None:
        """Keep `data`, bytes or the content of a file, under `key`."""
        async with self._tried("put", _PUT_SECONDS + _size(data) / _SLOWEST):
            await self._storage.put(key, data, content_type)

    async def get(self, key: str) -> bytes:
        """The whole object, or MissingObject."""
        async with self._tried("get", _GET_SECONDS):
            return await self._storage.get(key)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, several at once; one that is not there is as good as deleted."""
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            async with self._tried("delete", _DELETE_SECONDS):
                await asyncio.gather(*(self._storage.delete([key]) for key in some))

    @contextlib.asynccontextmanager
    async def _tried(self, what: str, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except (Unavailable, TimeoutError) as error:
            raise self._failed(what, error) from error
        self._failures = 0

    def _failed(self, what: str, error: Exception) -> BucketFailed:
        """The failure by our name for it; what the storage said is nobody's but ours to read."""
        refused = isinstance(error, StorageDenies | NoPlace)
        self._failure = BucketRefused if refused else BucketFailed
        self._failures += 1
        self._rest_until = self._clock() + _REST_SECONDS
        log.warning("bucket failed", bucket=self._key, doing=what, reason=type(error).__name__)
        return self._failure.of(self._key)


def _size(data: bytes | Path) -> int:
    return len(data) if isinstance(data, bytes) else data.stat().st_size
