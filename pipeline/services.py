"""open_services: the only place that builds anything."""

import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from models.database import Database, open_database
from models.settings import Settings
from pipeline.bus import Bus, connect
from pipeline.outbox import Relay
from pipeline.storage import Storage, open_storage


class Services(NamedTuple):
    """What every role needs, ready to use."""

    settings: Settings
    secret: str
    database: Database
    bus: Bus
    storage: Storage
    relay: Relay


@contextlib.asynccontextmanager
async def open_services(settings: Settings, secret: str) -> AsyncIterator[Services]:
    """Connect to everything that `settings` names; closed again when the block ends.

    The schema must be there, see `models.schema`. Raises Unavailable or SettingsError.
    """
    database = open_database(settings.database_url, settings.data, settings.database_pool)
    with contextlib.closing(database):
        bus = await connect(settings.nats_url, settings.nats_token, settings.nats_replicas)
        async with contextlib.aclosing(bus):
            await bus.prepare()
            storage = open_storage(settings)
            yield Services(settings, secret, database, bus, storage, Relay(database, bus))
