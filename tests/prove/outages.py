"""Row 6: each server that we depend on is down, frozen, slow or resetting, and comes back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx2

from tests.faults import FaultProxy
from tests.prove.behind import PATIENCE, Behind, Upload, behind
from tests.prove.row import Ground, Outcome, Row

WHAT = ("bus", "database", "objects", "source")
HOW = ("down", "frozen", "slow", "resetting")
CASES = tuple((what, how) for what in WHAT for how in HOW)
# What a short run looks at: a way of failing each server has, and the worst of them for two.
SHORT = (
    ("bus", "frozen"),
    ("database", "frozen"),
    ("database", "down"),
    ("objects", "resetting"),
    ("source", "frozen"),
)

_CAUGHT_UP = 15.0
_SHORT_CAUGHT_UP = 60.0  # a shared machine: that it does is the test, not how soon
_ONE_WAY = 1.0  # seconds; an answer is two late
_EVERY = 1.0


class Case(NamedTuple):
    """What became of the uploads of one outage."""

    accepted: int
    refused: int
    lost: int
    seconds: float
    problems: tuple[str, ...]

    @property
    def tried(self) -> int:
        """Uploads sent while it lasted."""
        return self.accepted + self.refused


def prove(ground: Ground) -> Outcome:
    """All sixteen, or a few."""
    return asyncio.run(_prove(ground))


async def _prove(ground: Ground) -> Outcome:
    cases = SHORT if ground.short else CASES
    limit = _SHORT_CAUGHT_UP if ground.short else _CAUGHT_UP
    found: dict[str, Case] = {}
    async with behind(ground.folder) as system:
        for what, how in cases:
            name = f"{what} {how}"
            found[name] = case = await _case(system, what, how, ground.times(20, short=5), limit)
            ground.say(f"{name}: {_told(case)}{'; '.join(case.problems[:2])}")
        restarts, broken = system.restarts(), system.broken
    problems = [f"{name}: {one}" for name, case in found.items() for one in case.problems]
    if restarts:
        problems.append(f"{restarts} processes had to be started again")
    lost = sum(case.lost for case in found.values())
    tried = sum(case.tried for case in found.values())
    return Outcome(
        tried=tried,
        survived=tried - lost,
        lost=lost,
        figures={name: _told(case) for name, case in found.items()}
        | {f"connections that ended in {name}": count for name, count in broken.items()},
        problems=tuple(problems),
    )


def _told(case: Case) -> str:
    return (
        f"accepted {case.accepted}, refused {case.refused}, lost {case.lost}, "
        f"done after {case.seconds:.1f} s "
    )


async def _case(system: Behind, what: str, how: str, seconds: int, limit: float) -> Case:
    """One outage: uploads and readers while it lasts, then everything is asked for."""
    url = await _cached(system)
    problems: list[str] = []
    async with _broken(system.lines[what], how):
        reading = asyncio.create_task(_read(system, url, problems))
        sending = [
            asyncio.create_task(_sent(system, system.new(by_url=what == "source"), number))
            for number in range(seconds)
        ]
        sent = await asyncio.gather(*sending)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    healed = time.monotonic()
    accepted = [upload for upload, answer in sent if answer is not None and answer.is_success]
    problems += [one for _, answer in sent if (one := _unclean(answer, source=what == "source"))]
    ends = await asyncio.gather(*(_done(system, upload, healed + limit) for upload in accepted))
    lost = ends.count(None)
    late = [upload for upload, answer in sent if answer is None or answer.status_code == 503]
    again = await asyncio.gather(*(_done(system, one, healed + 2 * limit) for one in late))
    problems += ["one that was refused is refused still"] * again.count(None)
    took = max((end - healed for end in ends if end is not None), default=0.0)
    if took > limit:
        problems.append(f"{what} {how}: done {took:.1f} s after the return")
    return Case(len(accepted), len(sent) - len(accepted), lost, took, tuple(problems))


async def _cached(system: Behind) -> str:
    """The URL of a variant that the edge has in its cache."""
    upload = system.new(by_url=False)
    answer = await _insisted(system, upload, time.monotonic() + 60)
    assert answer is not None, "nothing is accepted before anything is broken"
    url: str = answer.json()["simpleData"][0]["variants"]["webp"]
    assert await system.serves(url)
    return url


@contextlib.asynccontextmanager
async def _broken(line: FaultProxy, how: str) -> AsyncIterator[None]:
    """The server behind this line fails in this way while the block runs."""
    resetting = asyncio.create_task(_reset(line)) if how == "resetting" else None
    if how == "down":
        line.down()
    elif how == "frozen":
        line.freeze()
    elif how == "slow":
        line.latency(_ONE_WAY)
    try:
        yield
    finally:
        if resetting is not None:
            resetting.cancel()
            await asyncio.gather(resetting, return_exceptions=True)
        await line.heal()


async def _reset(line: FaultProxy) -> None:
    while True:
        line.reset()
        await asyncio.sleep(0.3)


async def _read(system: Behind, url: str, problems: list[str]) -> None:
    """A reader who looks at a cached variant all the time."""
    while True:
        if not await system.serves(url):
            problems.append("the edge did not serve what it has in its cache")
        await asyncio.sleep(_EVERY / 2)


async def _sent(
    system: Behind, upload: Upload, number: int
) -> tuple[Upload, httpx2.Response | None]:
    await asyncio.sleep(number * _EVERY)
    return upload, await system.send(upload)


def _unclean(answer: httpx2.Response | None, *, source: bool) -> str:
    """What is wrong with a refusal, nothing with an acceptance."""
    if answer is None:
        return f"an upload was not answered within {PATIENCE:.0f} s"
    if answer.is_success:
        return ""
    code = answer.json().get("code", "")
    if answer.status_code == 503:
        return "" if "retry-after" in answer.headers else f"503 {code} without Retry-After"
    # A source that fails is the sender's: it is named, and costs nothing.
    clean = source and code in {"bad-source", "source-too-slow"}
    return "" if clean else f"an upload was answered {answer.status_code} {code}"


async def _done(system: Behind, upload: Upload, deadline: float) -> float | None:
    """When it was done and served; None when it was not, in time."""
    answer = await _insisted(system, upload, deadline)
    if answer is None:
        return None
    variants = answer.json()["simpleData"][0]["variants"]
    served = [await system.serves(url) for url in variants.values()]
    return time.monotonic() if served and all(served) else None


async def _insisted(system: Behind, upload: Upload, deadline: float) -> httpx2.Response | None:
    """The same request again until its order is done."""
    while time.monotonic() < deadline:
        answer = await system.send(upload)
        if answer is not None and answer.status_code == 200:
            return answer
        await asyncio.sleep(0.2)
    return None


OUTAGES = Row(
    "6",
    "outages",
    "each server down, frozen, slow, resetting: accepted or 503, done 15 s after its return",
    prove,
    lane="postgres",
)
