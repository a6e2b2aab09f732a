"""A process that can be looked at: its meter, and the listener of operators."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import NamedTuple

from gateway.operators import Operators, listening
from gateway.prometheus import PrometheusMeter
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
    """Answer operators while the block runs. Raises SettingsError."""
    if not settings.metrics:
        operators = Operators(role, None)
        async with listening(operators, settings) as address:
            yield Observed(Meter(), operators, address)
        return
    meter = PrometheusMeter()
    meter.show("calotype_build_info", version("calotype"), role, value=1)

    async def numbers() -> bytes:
        meter.look()
        return await asyncio.to_thread(meter.text)

    operators = Operators(role, numbers)
    meter.watch(lambda: meter.show("calotype_ready", value=operators.works))
    async with listening(operators, settings) as address, running(meter.run):
        yield Observed(meter, operators, address)
