"""Real uploads by real clients: so many at a time, or as they come."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx2

from benchmarks.scaling.costs import Idle, Load, Run
from benchmarks.scaling.counted import counted, since
from benchmarks.scaling.drive import arrivals, turns
from benchmarks.scaling.embedded import System
from benchmarks.scaling.spent import spent

_ASKED: Final = '{"width": 1200}'
_DONE: Final = 200
_IDLE: Final = 5.0
_SETTLING: Final = 1.0
"""What follows an answer (acknowledgements, marks, staging) is over by then."""
_BORDER: Final = "border-of-the-parts-of-a-benchmark"


class Refused(Exception):
    """An upload that was not answered with its variants."""


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
    async with httpx2.AsyncClient(timeout=300, trust_env=False, headers=_headers(system)) as http:
        await asyncio.gather(*(_upload(http, system, bodies[0]) for _ in range(warm)))
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


def body_of(picture: Path) -> bytes:
    """A whole request's body: its client spends next to nothing on it."""
    file = f'name="image"; filename="{picture.name}"\r\nContent-Type: image/jpeg'
    parts = ((file, picture.read_bytes()), ('name="resizeOptions"', _ASKED.encode()))
    body = b"".join(
        f"--{_BORDER}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
        for head, value in parts
    )
    return body + f"--{_BORDER}--\r\n".encode()


def _headers(system: System) -> dict[str, str]:
    kind = f"multipart/form-data; boundary={_BORDER}"
    return {"Authorization": f"Bearer {system.key}", "Content-Type": kind}


async def _upload(http: httpx2.AsyncClient, system: System, body: bytes) -> float:
    began = time.perf_counter()
    answer = await http.post(f"{system.api}/api/v1/images", content=body)
    if answer.status_code != _DONE:
        raise Refused(answer.text)
    return time.perf_counter() - began


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
            latencies.append(await _upload(http, system, body))

    await asyncio.gather(*(client() for _ in range(load.clients)))
    return latencies


async def _arrival(http: httpx2.AsyncClient, system: System, body: bytes, at: float) -> float:
    await asyncio.sleep(at - asyncio.get_running_loop().time())
    return await _upload(http, system, body)
