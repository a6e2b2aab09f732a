"""The two caches as one: memory in front, disk behind."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog
from pysqlite3 import dbapi2 as sqlite

from cdn_edge.answers import Copy
from cdn_edge.disk import Disk, Kept, open_disk
from cdn_edge.gathering import Gathering
from cdn_edge.memory import Memory
from models.errors import Unavailable
from models.meter import Meter

T = TypeVar("T")

_HEADERS_WEIGHT = 2_000
"""Bytes a copy takes beside its body: entry, header list, queue places (1,650 measured)."""
_THREADS = 4
_WEIGH_SECONDS = 5.0
_LINGER_SECONDS = 0.1
"""Copies of this time are written together: a transaction costs as much as the rest."""
_MOST_WAITING_WRITES = 64
"""Bodies that may wait for the disk; beyond that a copy is not written, and fetched again later."""

log = structlog.get_logger(__name__)


class Cache:
    """Copies by URL path. Without a disk there is only memory."""

    def __init__(self, memory: Memory[Copy], disk: Disk | None) -> None:
        self.get = memory.get
        self._memory = memory
        self._disk = disk
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="edge-disk")
        self._writes: set[asyncio.Task[None]] = set()
        self._gathered = Gathering(self._write_all, at_once=1, linger=_LINGER_SECONDS)

    def keep(self, path: str, copy: Copy) -> None:
        """Put a copy in memory."""
        self._memory.put(path, copy, len(copy.body) + _HEADERS_WEIGHT)

    def has_on_disk(self, path: str) -> bool:
        """Whether there is a copy on disk, which may turn out to be bad. For any thread."""
        with contextlib.suppress(sqlite.Error):
            return self._disk is not None and self._disk.has(path)
        return False

    async def read(self, path: str) -> tuple[Copy | None, int]:
        """The copy on disk, checked, and the ticket that `write` will want for another one."""
        if self._disk is None:
            return None, 0
        try:
            ticket = self._disk.ticket()
            there = self._disk.has(path)
            found = await self._in_thread(self._disk.get, path) if there else None
        except (sqlite.Error, OSError) as error:
            log.warning("the disk cache cannot be read", reason=str(error))
            return None, 0
        return (Copy(*found) if found else None), ticket

    def write(self, path: str, copy: Copy, ticket: int) -> None:
        """Put a copy on disk, in the background, unless it is purged meanwhile."""
        if self._disk is None or len(self._writes) >= _MOST_WAITING_WRITES:
            return
        kept = Kept(path, copy.entry, copy.body, ticket)
        task = asyncio.get_running_loop().create_task(self._write(kept))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def settle(self) -> None:
        """Wait until everything written so far is on disk."""
        await asyncio.gather(*self._writes)

    async def drop(self, path: str, *, below: bool) -> None:
        """Remove a path, or everything `below` a prefix. Raises Unavailable when the disk cannot.

        Memory twice: a reader may bring the disk's copy back while that is being removed.
        """
        forget = self._memory.drop_prefix if below else self._memory.drop
        forget(path)
        if self._disk is not None:
            on_disk = self._disk.forget_prefix if below else self._disk.forget
            await self._purging(on_disk, path)
            forget(path)

    async def sweep(self) -> None:
        """Remove what killed processes left on disk."""
        if self._disk is None:
            return
        try:
            await self._in_thread(self._disk.sweep)
        except (sqlite.Error, OSError) as error:
            log.warning("the disk cache cannot be swept", reason=str(error))

    async def bookmark(self) -> str:
        """The mark of the last event whose purge is done in this cache; '' knows of none."""
        try:
            return await self._in_thread(self._disk.bookmark) if self._disk else ""
        except (sqlite.Error, OSError) as error:
            log.warning("the disk cache cannot be read", reason=str(error))
            return ""

    async def set_bookmark(self, mark: str) -> None:
        """Remember that every purge up to this mark is done. Raises Unavailable."""
        if self._disk is not None:
            await self._purging(self._disk.set_bookmark, mark)

    def observed(self, meter: Meter) -> None:
        """Show a meter what there is, and what made room, whenever it looks."""
        memory, told = self._memory, Counter[str]()

        def evicted(tier: str, so_far: int) -> None:
            meter.count("calotype_edge_evictions_total", tier, by=so_far - told[tier])
            told[tier] = so_far

        def look() -> None:
            evicted("memory", memory.evicted)
            meter.show("calotype_edge_cache_bytes", "memory", value=memory.weight)
            meter.show("calotype_edge_cache_limit_bytes", "memory", value=memory.limit)
            meter.show("calotype_edge_cache_copies", value=len(memory))
            if self._disk is not None:
                evicted("disk", self._disk.evicted)
                meter.show("calotype_edge_cache_limit_bytes", "disk", value=self._disk.limit)

        meter.watch(look)

    async def weigh(self, meter: Meter) -> None:
        """Show now and then how much is on disk, until cancelled: only its index knows."""
        while self._disk is not None:
            with contextlib.suppress(sqlite.Error, OSError):
                weight = await self._in_thread(self._disk.weight)
                meter.show("calotype_edge_cache_bytes", "disk", value=weight)
            await asyncio.sleep(_WEIGH_SECONDS)

    async def close(self) -> None:
        """Finish writing and let go of the disk."""
        await self.settle()
        disk, self._disk = self._disk, None
        if disk is not None:
            disk.stop()
            await asyncio.to_thread(self._threads.shutdown)
            disk.close()

    async def _write(self, kept: Kept) -> None:
        try:
            await self._gathered.ask(kept)
        except (sqlite.Error, OSError) as error:
            log.warning("the disk cache cannot be written", reason=str(error))

    async def _write_all(self, copies: Collection[Kept]) -> dict[Kept, bool]:
        if self._disk is not None:
            await self._in_thread(self._disk.put_all, copies)
        return dict.fromkeys(copies, True)

    async def _purging(self, work: Callable[[str], None], value: str) -> None:
        try:
            await self._in_thread(work, value)
        except (sqlite.Error, OSError) as error:
            log.exception("the disk cache cannot be purged")
            raise Unavailable from error

    async def _in_thread(self, work: Callable[..., T], *values: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *values)


def open_cache(
    memory_bytes: int, folder: Path | None = None, disk_bytes: int = 10_000_000_000
) -> Cache:
    """A cache of so many bytes in memory and, with a folder, so many on disk."""
    return Cache(Memory(memory_bytes), open_disk(folder, disk_bytes) if folder else None)
