"""A process that can be looked at: its meter, and the listener of operators."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from gateway.operators import Operators, listening
from gateway.prometheus import PrometheusMeter, group_text
from models.meter import Meter
from models.settings import Settings
from pipeline.tasks import running


class Observed(NamedTuple):
    """Where things are counted, who answers operators, and where they ask."""

    meter: Meter
    operators: Operators
    address: str


@contextlib.asynccontextmanager
async def observed(role: str, settings: Settings) -> AsyncIterator[Observed]:
    """Count, and answer operators, while the block runs. Raises SettingsError."""
    async with metered(role, settings) as meter:
        operators = Operators(role, None)
        if isinstance(meter, PrometheusMeter):
            operators.numbers = meter.numbers
        meter.watch(lambda: meter.show("calotype_ready", value=operators.works))
        async with listening(operators, settings) as address:
            yield Observed(meter, operators, address)


@contextlib.asynccontextmanager
async def observed_group(
    role: str, settings: Settings, folder: Path
) -> AsyncIterator[tuple[Operators, str]]:
    """Answer for the processes that count in `folder`, dead ones too; who answers, and where."""

    async def numbers() -> bytes:
        return await asyncio.to_thread(group_text, folder)

    operators = Operators(role, numbers if settings.metrics else None)
    async with listening(operators, settings) as address:
        yield operators, address


@contextlib.asynccontextmanager
async def metered(role: str, settings: Settings) -> AsyncIterator[Meter]:
    """Count while the block runs; as one of a group, in the folder that its environment names."""
    if not settings.metrics:
        yield Meter()
        return
    meter = PrometheusMeter()
    meter.show("calotype_build_info", version("calotype"), role, value=1)
    async with running(meter.run) if meter.in_group else contextlib.nullcontext():
        yield meter
