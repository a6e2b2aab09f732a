"""Pictures made in child processes: admitted, queued, bounded, and never fatal to the caller."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, overload

from models.errors import Overloaded, RenderCrashed
from models.recipe import Recipe
from models.wire import Wire
from pipeline.crew import Crew
from pipeline.jobs import Job, Printed, Probed, ProbeJob, RenderJob, Reply
from pipeline.limits import Limits
from pipeline.prints import Probe
from pipeline.scratch import Scratch, default_scratch

_PROBE, _ORDER = -2.0, 0.0  # who waits for a child: a header is read before a picture is begun


class StoredPrint(Wire, frozen=True):
    """A finished picture as a file in the studio's scratch, until its prints are released."""

    path: Path
    size: int
    sha256: str
    width: int
    height: int
    format: str
    content_type: str
    extension: str


class Prints(Sequence[StoredPrint]):
    """What one order made, in the order of its recipes: `with await studio.render(...) as prints`.

    The files live until the block ends, or `release` is called.
    """

    def __init__(self, folder: Path, prints: Sequence[StoredPrint]) -> None:
        self._folder = folder
        self._prints = prints

    @overload
    def __getitem__(self, index: int) -> StoredPrint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StoredPrint]: ...
    def __getitem__(self, index: int | slice) -> StoredPrint | Sequence[StoredPrint]:
        return self._prints[index]

    def __len__(self) -> int:
        return len(self._prints)

    def __iter__(self) -> Iterator[StoredPrint]:
        return iter(self._prints)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Remove the files; more than once is fine."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Counters(Wire, frozen=True):
    """What a studio has to show at one moment."""

    children: int
    free: int
    waiting: int
    busy_seconds: float
    lost: dict[str, int]


class Studio:
    """Children around the engine; `async with Studio(...) as studio`."""

    def __init__(
        self,
        *,
        children: int | None = None,
        scratch: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._size = children or os.cpu_count() or 1
        self._root = scratch or default_scratch()

    async def __aenter__(self) -> Self:
        if "VIPS_UNLIMITED" in os.environ:
            raise RuntimeError("VIPS_UNLIMITED turns the decoders' own checks off: unset it.")
        self._scratch = Scratch(self._root)
        self._crew = Crew(self._size, self._scratch.home, self.limits)
        try:
            await self._crew.open()
        except BaseException:
            self._scratch.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._crew.close()
        self._scratch.close()

    @property
    def scratch(self) -> Path:
        """A folder of short-lived files that nobody else uses; gone when the studio closes."""
        return self._scratch.home

    @property
    def counters(self) -> Counters:
        """A snapshot for the metrics."""
        crew = self._crew
        return Counters(
            children=len(crew.alive),
            free=crew.free,
            waiting=crew.waiting,
            busy_seconds=crew.busy_seconds,
            lost={str(why): count for why, count in crew.lost.items()},
        )

    async def probe(self, source: Path) -> Probe:
        """What the header says; NotAnImage, DamagedImage."""
        self._admit()
        return await self._probe(source)

    async def render(self, source: Path, recipes: Sequence[Recipe]) -> Prints:
        """Every recipe's print, in their order; typed errors, and nothing left behind by them."""
        self._admit()
        await self._probe(source)
        folder = self._scratch.folder()
        try:
            return Prints(folder, await self._render(source, folder, recipes))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _admit(self) -> None:
        if self._crew.waiting >= self.limits.queue:
            raise Overloaded

    async def _probe(self, source: Path) -> Probe:
        replies = await self._ask(ProbeJob(source=str(source)), _PROBE, self.limits.probe_seconds)
        for reply in replies:
            if isinstance(reply, Probed):
                return reply.probe
        raise RenderCrashed

    async def _render(
        self, source: Path, folder: Path, recipes: Sequence[Recipe]
    ) -> list[StoredPrint]:
        job = RenderJob(source=str(source), folder=str(folder), recipes=tuple(recipes))
        replies = await self._ask(job, _ORDER, self.limits.seconds)
        return [_stored(folder, reply) for reply in replies if isinstance(reply, Printed)]

    async def _ask(self, job: Job, urgency: float, seconds: float) -> list[Reply]:
        replies: list[Reply] = []
        async with self._crew.child(urgency) as child:
            await child.ask(job, seconds, replies.append)
        return replies


def _stored(folder: Path, printed: Printed) -> StoredPrint:
    return StoredPrint(
        path=folder / str(printed.index),
        size=printed.size,
        sha256=printed.sha256,
        width=printed.width,
        height=printed.height,
        format=printed.format,
        content_type=printed.content_type,
        extension=printed.extension,
    )
