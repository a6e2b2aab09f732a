"""Leases: of all processes one at a time does a thing, for as long as it lives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import nats.errors
import nats.js.errors
from nats.js.api import Header, StorageType
from nats.js.kv import KeyValue

from models.errors import Unavailable
from pipeline.bus import Bus

BUCKET = "CALOTYPE_LEASES"
SECONDS = 4.0
"""Who was killed is replaced after so long. The bucket's own: one per key cannot be renewed."""
_PATIENCE = 1.0

_AWAY = (nats.errors.Error, nats.js.errors.Error, asyncio.TimeoutError, OSError)


class Lease:
    """Held from now on; renewed until the block around it ends.

    It is `fresh` when nobody has had it for so long as the table remembers, which is `SECONDS`.
    """

    def __init__(self, bus: Bus, table: KeyValue, name: str, revision: int, *, fresh: bool) -> None:
        self.fresh = fresh
        self._bus = bus
        self._table = table
        self._name = name
        self._revision = revision

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep it while the block runs, then let it go. What ends soon has no heart to stop."""
        beats: list[asyncio.Task[None]] = []
        over = asyncio.Event()
        first = asyncio.get_running_loop().call_later(
            SECONDS / 4, lambda: beats.append(asyncio.create_task(self._beat(over)))
        )
        try:
            yield
        finally:
            first.cancel()
            over.set()
            if beats:  # without the revision of one that is under way nothing can be let go
                await asyncio.wait(beats, timeout=_PATIENCE)
            self._let_go()

    def _let_go(self) -> None:
        """Nobody waits for the server to say that it heard: what it misses ends by itself."""
        last = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(self._revision)}
        self._bus.whisper(f"$KV.{BUCKET}.{self._name}", b"", {"KV-Operation": "DEL"} | last)

    async def _beat(self, over: asyncio.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(*_AWAY):
                self._revision = await self._table.update(self._name, b"", last=self._revision)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS / 4):
                    await over.wait()


class Leases:
    """Leases by name, over the bus."""

    def __init__(self, bus: Bus, replicas: int = 1) -> None:
        self._bus = bus
        self._replicas = replicas
        self._table: KeyValue | None = None

    async def take(self, name: str) -> Lease | None:
        """The lease, or None while somebody has it. Raises Unavailable when nobody can tell."""
        if not self._bus.connected:
            raise Unavailable
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._taken(self._table or await self._open(), name)
        except nats.js.errors.KeyWrongLastSequenceError:
            return None
        except _AWAY as error:
            self._table = None  # the bucket is in the server's memory, and may have gone with it
            raise Unavailable from error

    async def _taken(self, table: KeyValue, name: str) -> Lease:
        try:
            revision = await table.update(name, b"", last=0)
            return Lease(self._bus, table, name, revision, fresh=True)
        except nats.js.errors.KeyWrongLastSequenceError:  # it is somebody's, or was just now
            return Lease(self._bus, table, name, await table.create(name, b""), fresh=False)

    async def _open(self) -> KeyValue:
        stream = self._bus.jetstream
        try:
            self._table = await stream.create_key_value(
                bucket=BUCKET, ttl=SECONDS, storage=StorageType.MEMORY, replicas=self._replicas
            )
        except nats.js.errors.BadRequestError:  # it is there, made otherwise
            self._table = await stream.key_value(BUCKET)
            await self._copy()
        return self._table

    async def _copy(self) -> None:
        """Have as many copies of the bucket as of everything else."""
        stream = self._bus.jetstream
        made = (await stream.stream_info(f"KV_{BUCKET}")).config
        if made.num_replicas != self._replicas:
            await stream.update_stream(made.evolve(num_replicas=self._replicas))
