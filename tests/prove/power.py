"""Row 2: power cuts. What was acknowledged is on the disk, and all of it, or the row fails.

The state is on a disk in a file, the load outside. Every process is stopped in mid-motion, the
disk is copied as it is, mounted and started again: everything that any client was told until then
must be there. A control with everybody's default settings must lose some: else nothing was tested.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from models.records import new_id
from tests.prove import disk
from tests.prove.audit import Audit, audit, settled
from tests.prove.books import Books
from tests.prove.builds import Change, build
from tests.prove.kept import descendants
from tests.prove.load import UPLOADS_ONLY, Load
from tests.prove.row import Ground, Outcome, Row, skipped
from tests.prove.site import Site, prepare, risen
from tests.servers import server_folder

_IN_FLIGHT = 64
_HEARD_SECONDS = 0.5
_CONTROL_CUTS = 2

# What the libraries do when nobody tells them otherwise, and the checks at start that refuse it.
DEFAULTS = (
    Change("models/database.py", "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL"),
    Change("models/durable.py", '"synchronous": ("2", "3")', '"synchronous": ("1",)'),
    Change("pipeline/storage.py", "        os.fsync(descriptor)\n", "        pass\n"),
    Change("gateway/nats_server.py", "  sync_interval: always\n", ""),
    Change("pipeline/bus_proof.py", 'if not found.get("sync_always"):', "if not found:"),
)


class Cut(NamedTuple):
    """What was found after one cut."""

    told: int
    found: Audit


def prove(ground: Ground) -> Outcome:
    """Many cuts of ours, and a few of the control."""
    if why := disk.why_not():
        return skipped(why)
    return asyncio.run(_prove(ground))


async def _prove(ground: Ground) -> Outcome:
    ours = await _cuts(ground, ground.folder / "ours", ground.times(20, short=1), {})
    with server_folder() as folder:
        path = str(build(folder, DEFAULTS))
        where = ground.folder / "control"
        control = await _cuts(ground, where, min(_CONTROL_CUTS, len(ours)), {"PYTHONPATH": path})
    problems = [_said(one) for cut in ours for one in cut.found.problems if _counts(one)]
    lost = sum(cut.found.lost for cut in ours)
    control_lost = sum(cut.found.lost for cut in control)
    if not control_lost:
        problems.append("the control lost nothing: these cuts show nothing")
    return Outcome(
        tried=ours[-1].told,
        survived=ours[-1].told - min(lost, ours[-1].told),
        lost=lost,
        duplicates=sum(cut.found.twice for cut in ours),
        figures={
            "cuts": len(ours),
            "control: told": control[-1].told,
            "control: lost, as uploads and objects": control_lost,
        },
        problems=tuple(problems[:20]),
    )


def _counts(problem: str) -> bool:
    """Originals of uploads that were cut off lie in staging for an hour: that is no loss."""
    return not problem.startswith("litter")


def _said(problem: str) -> str:
    return f"after a cut: {problem}"


async def _cuts(ground: Ground, folder: Path, times: int, settings: dict[str, str]) -> list[Cut]:
    """So many cuts of one system under load. After each it goes on as if nothing had been."""
    disk.make(folder / "disk")
    found: list[Cut] = []
    with disk.mounted(folder / "disk", folder / "running") as place:
        made = Site("sqlite", place, "", new_id(), None)
        prepare(made)
        os.sync()  # what a start makes before anybody uploads is not what is tried
        async with risen(made, **settings):
            mix = {"mix": UPLOADS_ONLY, "clients": 16, "seed": ground.seed}
            load = Load(made.apis, made.edges, made.key, **mix)
            async with load.running() as books:
                for number in range(times):
                    wanted = found[-1].told if found else 0
                    await load.until(wanted + ground.times(252, short=25), 600)
                    with stopped(made.role("up").pid):
                        known = await _cut(folder, books)
                    found.append(await _judged(folder, made, known, settings))
                    ground.say(
                        f"{folder.name}: cut {number + 1}, {found[-1].told} uploads told, "
                        f"{found[-1].found.lost} lost"
                    )
    return found


async def _cut(folder: Path, books: Books) -> Books:
    """Copy the disk; what clients know by now has to be on it."""
    await asyncio.to_thread(disk.cut, folder / "disk", folder / "cut")
    await asyncio.sleep(_HEARD_SECONDS)  # answers on their way
    return _known(books)


async def _judged(folder: Path, made: Site, known: Books, settings: dict[str, str]) -> Cut:
    """Start what is on the copy, and compare. Meanwhile clients go on, towards the next cut."""
    with ExitStack() as stack:
        stack.callback((folder / "cut").unlink)
        place = stack.enter_context(disk.mounted(folder / "cut", folder / "after"))
        after = Site("sqlite", place, "", made.key, None)
        found = await _after(after, known, settings)
    return Cut(len(known.uploads), found)


async def _after(after: Site, known: Books, settings: dict[str, str]) -> Audit:
    """What stands on the disk: of ours once it has been started again, of the control as it is.

    When ours does not start, everything is lost.
    """
    try:
        if not settings:
            async with risen(after):
                await settled(after)
        return await asyncio.to_thread(audit, after, known)
    except Exception as error:  # noqa: BLE001 whatever it is, the cut has taken everything away
        everything = len(known.uploads)
        return Audit(everything, everything, 0, 0, (f"it does not start: {error!r}"[:300],), {})


def _known(books: Books) -> Books:
    """What clients were told so far; what they have in flight may have happened or not."""
    unknown = {f"in flight {number}" for number in range(_IN_FLIGHT)}
    return Books(uploads=dict(books.uploads), images=dict(books.images), unknown=unknown)


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """A process and all its descendants stand still, wherever they are, while the block runs."""
    everybody = [process, *descendants(process)]
    for one in everybody:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in reversed(everybody):
            os.kill(one, signal.SIGCONT)


_PROMISE = "20 power cuts under load: every acknowledged upload, its record, event and objects stay"
POWER = Row("2", "power cuts", _PROMISE, prove, lane="power", seconds=2400)
