"""The roll: every process says that it is there, what it is and how it does, when it is asked."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from importlib.metadata import version

import msgspec

from gateway.observed import Observed
from gateway.operators import Standing
from models.meter import Meter
from models.roll import ROLL, Present
from pipeline.bus_roll import answering
from pipeline.services import Services

_STAND_SECONDS = 2.0
_FIGURES = {
    "calotype_edge_requests_total": "tier",
    "calotype_reconciler_last_round_timestamp_seconds": "round",
    "calotype_reconciler_last_findings": "kind",
}


@contextlib.asynccontextmanager
async def on_the_roll(services: Services, seen: Observed) -> AsyncIterator[None]:
    """Answer the roll call for this process while the block runs."""
    fixed = _present(services, seen)

    async def answer() -> bytes:
        standing = await _standing(seen)
        draining = {"draining": "stops soon"} if seen.operators.draining else {}
        now = msgspec.structs.replace(
            fixed,
            ready=standing.ready and not draining,
            lacking=draining | {name: why for name, why in standing.checks.items() if why != "ok"},
            figures=figures(services.meter),
        )
        return msgspec.json.encode(now)

    async with answering(services.bus, ROLL, answer):
        yield


async def _standing(seen: Observed) -> Standing:
    """Who asks does not wait for long, and must not take us for dead."""
    try:
        async with asyncio.timeout(_STAND_SECONDS):
            return await seen.operators.stand()
    except TimeoutError:
        checks = {"readiness": f"not known within {_STAND_SECONDS:g} s"}
        return Standing(ready=False, role=seen.operators.role, checks=checks)


def figures(meter: Meter) -> dict[str, float]:
    """What a person wants to see at once, by 'metric/label'."""
    return {
        f"{name}/{value}": number
        for name, label in _FIGURES.items()
        for value, number in meter.sums(name, label).items()
    }


def _present(services: Services, seen: Observed) -> Present:
    settings, role = services.settings, seen.operators.role
    return Present(
        role=role,
        id=f"{socket.gethostname()}:{os.getpid()}",
        version=version("calotype"),
        libvips=version("pyvips-binary"),
        started=time.time(),
        api=settings.public_api if role in ("up", "gateway") else "",
        edge=settings.public_edge if role in ("up", "edge") else "",
        metrics=seen.address,
    )
