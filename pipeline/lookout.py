"""The lookout: what waits for a pipeline, looked at every few seconds and shown to the metrics."""

import asyncio
import contextlib
from datetime import datetime
from typing import Final

from models.backlog import backlog
from models.columns import now
from models.database import Database
from models.errors import Unavailable
from models.meter import Meter
from pipeline.bus import Bus
from pipeline.bus_queue import queue_depth
from pipeline.studio import Studio

_EVERY_SECONDS: Final = 5.0
_GUESSED_SECONDS: Final = 0.2
"""Render seconds of an order, until this process has made one."""


class Lookout:
    """Looks at the database and at the bus; one that does not answer is looked at again."""

    def __init__(self, database: Database, bus: Bus, studio: Studio, meter: Meter) -> None:
        self._database = database
        self._bus = bus
        self._studio = studio
        self._meter = meter

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(Unavailable):
                await self._look_at_rows()
            with contextlib.suppress(Unavailable):
                await self._look_at_queue()
            await asyncio.sleep(_EVERY_SECONDS)

    async def _look_at_rows(self) -> None:
        found, show = await self._database.read(backlog), self._meter.show
        show("calotype_orders_waiting", "pending", value=found.pending)
        show("calotype_orders_waiting", "dead", value=found.dead)
        show("calotype_backlog_age_seconds", value=_age(found.oldest))
        show("calotype_backlog_render_seconds", value=found.pending * self._seconds_each())
        show("calotype_outbox_unsent", value=found.unsent)
        show("calotype_outbox_age_seconds", value=_age(found.oldest_unsent))

    async def _look_at_queue(self) -> None:
        depth, show = await queue_depth(self._bus), self._meter.show
        show("calotype_jetstream_pending_messages", value=depth.pending)
        show("calotype_jetstream_ack_pending_messages", value=depth.taken)
        show("calotype_jetstream_redelivered_messages", value=depth.again)
        show("calotype_jetstream_dead_messages", value=depth.dead)

    def _seconds_each(self) -> float:
        """Render seconds of an order, by those that were made here."""
        made = self._studio.counters
        return made.busy_seconds / made.orders if made.orders else _GUESSED_SECONDS


def _age(since: datetime | None) -> float:
    return max(0.0, (now() - since).total_seconds()) if since else 0.0
