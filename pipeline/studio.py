"""Pictures made in child processes: admitted, queued, bounded, and never fatal to the caller."""

import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, get_args, overload

from models.errors import ImageTooLarge, Overloaded, RenderCrashed
from models.meter import Meter
from models.recipe import Recipe, settle
from models.traces import lapsed
from models.wire import Wire
from pipeline.admission import admit
from pipeline.budget import Budget
from pipeline.children import Child
from pipeline.crew import Crew
from pipeline.jobs import Finished, KeepJob, Printed, Probed, ProbeJob, Reply
from pipeline.limits import Limits
from pipeline.once_more import once_more
from pipeline.order import Order, Told, carry_out
from pipeline.photo import stand_in
from pipeline.plan import Plan, plan
from pipeline.prints import Probe
from pipeline.scratch import Scratch, default_scratch
from pipeline.stages import Format, Stage

_AT_ONCE = -math.inf  # a header is read in a millisecond: before everything else
_IN_TURN = 0.0
_LONGEST_RETRY = 30

Also = Callable[[Probe], Sequence[Recipe]]


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

    The files live until the block ends, or `release` is called. `probe` is the original's, `stages`
    are what the steps took.
    """

    def __init__(
        self,
        folder: Path,
        prints: Sequence[StoredPrint],
        probe: Probe,
        stages: Sequence[Stage] = (),
    ) -> None:
        self.probe = probe
        self.stages = stages
        self._released = False
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

    def __del__(self) -> None:
        if not self._released:
            warnings.warn(
                "prints were dropped, not released", ResourceWarning, stacklevel=2, source=self
            )
            self.release()

    def release(self) -> None:
        """Remove the files; more than once is fine."""
        self._released = True
        shutil.rmtree(self._folder, ignore_errors=True)


class Counters(Wire, frozen=True):
    """What a studio has to show at one moment."""

    children: int
    free: int
    inside: int
    """Calls at work or waiting."""
    orders: int
    """Orders carried out so far."""
    refused: int
    """Calls sent away because the house was full."""
    busy_seconds: float
    """Of all children together."""
    memory_lent: int
    lost: dict[str, int]
    """Children killed, retired or dead so far, by reason."""


class Studio:
    """Children around the engine; `async with Studio(...) as studio`."""

    def __init__(
        self,
        *,
        children: int | None = None,
        scratch: Path | None = None,
        limits: Limits | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._meter = meter or Meter()
        self._size = children or os.cpu_count() or 1
        self._root = scratch or default_scratch()
        self._budget = Budget(self.limits.budget or self.limits.memory * self._size)
        self._inside = self._orders = self._refused = 0

    async def __aenter__(self) -> Self:
        if "VIPS_UNLIMITED" in os.environ:
            raise RuntimeError("VIPS_UNLIMITED turns the decoders' own checks off: unset it.")
        self._scratch = Scratch(self._root)
        self._crew = Crew(self._size, self._scratch.home, self.limits, self._meter)
        try:
            await self._crew.open()
        except BaseException:
            self._scratch.close()
            raise
        self._meter.watch(self._show)
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
    def children(self) -> Sequence[Child]:
        """The living children, for who wants to look at them."""
        return self._crew.alive

    @property
    def counters(self) -> Counters:
        """A snapshot of it."""
        crew = self._crew
        return Counters(
            children=len(crew.alive),
            free=crew.free,
            inside=self._inside,
            orders=self._orders,
            refused=self._refused,
            busy_seconds=crew.busy_seconds,
            memory_lent=self._budget.lent,
            lost={str(why): count for why, count in crew.lost.items()},
        )

    async def probe(self, source: Path) -> Probe:
        """What the header says; NotAnImage, DamagedImage, Overloaded."""
        with self._entered():
            return await self._probe(source)

    async def render(
        self,
        source: Path,
        recipes: Sequence[Recipe],
        told: Told | None = None,
        also: Also = lambda _: (),
        known: Probe | None = None,
        name: str = "",
    ) -> Prints:
        """Every recipe's print, in their order. `told` hears how many are made, of how many.

        What `also` wants when it knows the original comes after them, if it is within the limits.
        `known` is the probe of these very bytes, when there was one: it is not asked for again.
        A `name` is for bytes that more will be made from: a child keeps what it decoded of them.
        Typed errors, and nothing is left behind by them. Who stops waiting stops the work.
        """
        with self._entered():
            probe = known or await self._probe(source)
            memory = admit(probe, [settle(recipe) for recipe in recipes], self.limits)
            wanted = list(recipes)
            with suppress(ImageTooLarge):
                more = [*wanted, *also(probe)]
                memory = admit(probe, [settle(recipe) for recipe in more], self.limits)
                wanted = more
            async with self._budget.loan(memory.order):
                todo = plan(probe, wanted, self._crew.free)
                order = Order(todo, source, self.limits.seconds, told, len(recipes), name)
                return await once_more(partial(self._carry_out, order, probe))

    async def keep(self, source: Path) -> Prints:
        """The file itself as a photo: the one print. Typed errors, and nothing left by them."""
        with self._entered():
            probe = await self._probe(source)
            memory = admit(probe, [stand_in(probe)], self.limits)
            async with self._budget.loan(memory.order):
                return await once_more(partial(self._keep, source, probe))

    async def _keep(self, source: Path, probe: Probe) -> Prints:
        replies: list[Reply] = []
        with self._folder() as folder:
            job = KeepJob(source=str(source), folder=str(folder))
            await self._crew.ask(_IN_TURN, job, self.limits.seconds, replies.append)
            made = [_stored(folder, reply) for reply in replies if isinstance(reply, Printed)]
            if len(made) != 1:
                raise RenderCrashed
        stages = [one for reply in replies if isinstance(reply, Finished) for one in reply.stages]
        prints = Prints(folder, made, probe, stages)
        self._note(source, prints)
        return prints

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """A place in the house: one for each child, and `queue` more."""
        if self._inside >= self._size + self.limits.queue:
            self._refused += 1
            self._meter.count("calotype_render_refused_total")
            raise Overloaded(retry_after=self._patience())
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _patience(self) -> int:
        """Seconds until half of those who wait will be done, by what was seen until now."""
        each = self._crew.busy_seconds / max(1, self._orders)
        return min(_LONGEST_RETRY, 1 + int(self._inside / 2 * each / self._size))

    async def _probe(self, source: Path) -> Probe:
        return await once_more(partial(self._read_header, source))

    async def _read_header(self, source: Path) -> Probe:
        replies: list[Reply] = []
        job = ProbeJob(source=str(source))
        await self._crew.ask(_AT_ONCE, job, self.limits.probe_seconds, replies.append)
        for reply in replies:
            if isinstance(reply, Probed):
                return reply.probe
        raise RenderCrashed

    async def _carry_out(self, order: Order, probe: Probe) -> Prints:
        with self._folder() as folder:
            made, stages = await carry_out(order, folder, self._crew)
            spread = _spread(order.plan, [_stored(folder, one) for one in made])
            prints = Prints(folder, spread, probe, stages)
            self._note(order.source, prints)
            return prints

    def _note(self, source: Path, prints: Prints) -> None:
        """An order was carried out: what its steps took, what went in and what came out."""
        self._orders += 1
        meter = self._meter
        for stage in prints.stages:
            meter.timed("calotype_render_seconds", stage.name, stage.format, seconds=stage.seconds)
            lapsed(stage.name, stage.began, stage.seconds, format=stage.format)
        size = source.stat().st_size
        meter.count("calotype_variant_in_bytes_total", _known(prints.probe.format), by=size)
        for made in prints:
            meter.count("calotype_variants_total", _known(made.format))
            meter.count("calotype_variant_out_bytes_total", _known(made.format), by=made.size)

    def _show(self) -> None:
        """What stands now, for the metrics."""
        now, meter = self.counters, self._meter
        free = now.free
        meter.show("calotype_render_children", "idle", value=free)
        meter.show("calotype_render_children", "busy", value=now.children - free)
        meter.show("calotype_render_waiting", value=now.inside)
        meter.show("calotype_render_memory_lent_bytes", value=now.memory_lent)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder for what is made, gone when that fails."""
        folder = self._scratch.folder()
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _spread(todo: Plan, made: Sequence[StoredPrint]) -> list[StoredPrint]:
    """The parts' prints at all positions where they were asked for."""
    places = {
        position: one
        for part, one in zip(todo.parts, made, strict=True)
        for position in part.positions
    }
    return [places[position] for position in sorted(places)]


def _known(name: str) -> str:
    """A format as a label: it comes from a child, which may say anything."""
    return name if name in get_args(Format) else "other"


def _stored(folder: Path, printed: Printed) -> StoredPrint:
    return StoredPrint(
        path=folder / str(printed.number),
        size=printed.size,
        sha256=printed.sha256,
        width=printed.width,
        height=printed.height,
        format=printed.format,
        content_type=printed.content_type,
        extension=printed.extension,
    )
