"""Row 7: half an hour of mixed load with a kill every ten seconds, and nothing grows."""

import asyncio
import contextlib
import fcntl
import os
import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from statistics import linear_regression, median
from typing import NamedTuple

from pipeline.scratch import default_scratch
from tests.prove.audit import audit, swept
from tests.prove.load import Load, Mix
from tests.prove.row import Ground, Outcome, Row
from tests.prove.site import Site, site

_MIX = Mix()
_KILL_SECONDS = 10.0
_SAMPLE_SECONDS = 5.0
_MOST_SLOPE = 1.0
_MOST_MORE_FILES = 8
_PAGE = os.sysconf("SC_PAGE_SIZE")
SURVIVORS = ("gateway", "pipeline", "edge")


class Sample(NamedTuple):
    """A process at one moment: minutes since the start, resident megabytes, open files."""

    minute: float
    resident: float
    files: int


def prove(ground: Ground) -> Outcome:
    """Two processes of each role: the second ones, children and the bus die, the first live on."""
    return asyncio.run(_prove(ground))


async def _prove(ground: Ground) -> Outcome:
    minutes = float(os.environ.get("PROVE_SOAK_MINUTES", "0.4" if ground.short else "30"))
    killed: Counter[str] = Counter()
    async with site("postgres", ground.folder, spares=True) as system:
        load = Load(*(system.apis, system.edges, system.key), mix=_MIX, pause=2.0, seed=ground.seed)
        async with load.running() as books:
            samples = await _soak(system, minutes * 60, ground, killed)
        scratch = _dead_scratch()
        await swept(system)
        found = await asyncio.to_thread(audit, system, books)
        left = [str(path) for path in scratch if _is_free(path)]  # a new one is locked by now
    figures: dict[str, float | str] = {"minutes": minutes, "kills": killed.total()}
    wrong = [f"scratch is left: {path}" for path in left]
    for name in SURVIVORS:
        grown, said = _growth(samples[name], minutes, short=ground.short)
        figures |= {f"{name} {what}": value for what, value in grown.items()}
        wrong += [f"{name}: {one}" for one in said]
    if any(system.kept[name].starts > 1 + (name == "pipeline") for name in SURVIVORS):
        wrong.append("a process that nobody killed has died")
    return found._replace(problems=(*found.problems, *wrong)).outcome(**figures)


async def _soak(
    system: Site, seconds: float, ground: Ground, killed: Counter[str]
) -> dict[str, list[Sample]]:
    chance, began = random.Random(ground.seed), time.monotonic()
    samples: dict[str, list[Sample]] = defaultdict(list)
    victims = [*(f"{name}-spare" for name in SURVIVORS), "child", "nats-server"]
    kill_seconds = ground.times(1, short=0) * _KILL_SECONDS or 4.0
    due = kill_seconds
    while (now := time.monotonic() - began) < seconds:
        for name in SURVIVORS:
            if sample := _sample(system.kept[name].pid, now / 60):
                samples[name].append(sample)
        if now >= due:
            victim = victims[killed.total() % len(victims)]
            killed[victim] += _kill(system, victim, chance)
            due += kill_seconds
            if killed.total() % 30 == 0:
                ground.say(f"{now / 60:.0f} minutes, {killed.total()} kills")
        await asyncio.sleep(min(_SAMPLE_SECONDS, max(0.1, due - now)))
    return samples


def _kill(system: Site, victim: str, chance: random.Random) -> bool:
    if victim == "child":
        return system.kept[chance.choice(["pipeline", "pipeline-spare"])].kill_child(chance)
    return system.kill_nats() if victim == "nats-server" else system.kept[victim].kill()


def _sample(process: int, minute: float) -> Sample | None:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return Sample(minute, pages * _PAGE / 1e6, len([*Path(f"/proc/{process}/fd").iterdir()]))
    except OSError:
        return None


def _growth(
    samples: list[Sample], minutes: float, *, short: bool
) -> tuple[dict[str, float | str], list[str]]:
    """Slope of the resident memory after the warm-up, and the files at its start and end."""
    warm = [one for one in samples if one.minute >= minutes / 6]
    slope = linear_regression([one.minute for one in warm], [one.resident for one in warm]).slope
    third = max(1, len(warm) // 3)
    first, last = (median(s.files for s in part) for part in (warm[:third], warm[-third:]))
    wrong = [f"{slope:.2f} MB more every minute"] if slope > _MOST_SLOPE and not short else []
    if last - first > _MOST_MORE_FILES:
        wrong.append(f"{first:.0f} open files became {last:.0f}")
    figures: dict[str, float | str] = {
        "MB": round(warm[-1].resident),
        "MB/min": round(slope, 2),
        "files": f"{first:.0f} to {last:.0f}",
    }
    return figures, wrong


def _dead_scratch() -> list[Path]:
    """Folders in memory of studios that are dead: nobody holds their lock."""
    return [path for path in default_scratch().glob("studio-*") if _is_free(path)]


def _is_free(folder: Path) -> bool:
    """Whether its lock can be had; given back at once."""
    free = False
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        os.close(descriptor)
    return free


PROMISE = "30 minutes of mixed load, a kill every 10 s: memory and files flat, no litter"
SOAK = Row("7", "soak", PROMISE, prove, lane="soak")
