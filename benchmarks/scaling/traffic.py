"""Real uploads by real clients: so many at a time, or as they come."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import httpx2

from benchmarks.scaling.client import client_with, upload
from benchmarks.scaling.costs import Idle, Load, Run
from benchmarks.scaling.counted import counted, since
from benchmarks.scaling.drive import arrivals, turns
from benchmarks.scaling.embedded import System
from benchmarks.scaling.spent import spent

_IDLE: Final = 5.0
_SETTLING: Final = 1.0
"""What follows an answer (acknowledgements, marks, staging) is over by then."""


async def idle(system: System) -> Idle:
    """What it spends when nobody asks for anything."""
    await asyncio.sleep(_SETTLING)
    counts, before, began = await counted(system), spent(), time.perf_counter()
    await asyncio.sleep(_IDLE)
    used, seconds = spent().since(before), time.perf_counter() - began
    counts = since(await counted(system), counts)
    used.cpu.pop("client")
    return Idle(cpu=_times(used.cpu, 1 / seconds), counts=_times(counts, 1 / seconds))


async def run(
    system: System, load: Load, bodies: Sequence[bytes], idle: Idle, warm: int = 2
) -> Run:
    """One load on a system, after a few uploads that do not count; net of what it is idle."""
    async with client_with(system.key) as http:
        await asyncio.gather(*(upload(http, system.api, bodies[0]) for _ in range(warm)))
        await asyncio.sleep(_SETTLING)
        counts, before, began = await counted(system), spent(), time.perf_counter()
        latencies = await _driven(http, system, load, bodies)
        seconds = time.perf_counter() - began
        await asyncio.sleep(_SETTLING)
        used, window = spent().since(before), time.perf_counter() - began
    return Run(
        shape=system.shape,
        load=load,
        seconds=seconds,
        latencies=tuple(latencies),
        cpu=_net(used.cpu, _times(idle.cpu, window)),
        written=used.written,
        counts=_net(since(await counted(system), counts), _times(idle.counts, window)),
    )


def _times(figures: dict[str, float], factor: float) -> dict[str, float]:
    return {name: figure * factor for name, figure in figures.items()}


def _net(whole: dict[str, float], idle: dict[str, float]) -> dict[str, float]:
    return {name: max(0.0, figure - idle.get(name, 0.0)) for name, figure in whole.items()}


async def _driven(
    http: httpx2.AsyncClient, system: System, load: Load, bodies: Sequence[bytes]
) -> list[float]:
    """Seconds of each upload."""
    asked = [bodies[number] for number in turns(load, len(bodies))]
    if not load.clients:
        begun = asyncio.get_running_loop().time()
        pairs = zip(asked, arrivals(load), strict=True)
        return list(
            await asyncio.gather(*(_arrival(http, system, body, begun + at) for body, at in pairs))
        )
    left, latencies = iter(asked), list[float]()

    async def client() -> None:
        for body in left:
            latencies.append(await upload(http, system.api, body))

    await asyncio.gather(*(client() for _ in range(load.clients)))
    return latencies


async def _arrival(http: httpx2.AsyncClient, system: System, body: bytes, at: float) -> float:
    await asyncio.sleep(at - asyncio.get_running_loop().time())
    return await upload(http, system.api, body)
