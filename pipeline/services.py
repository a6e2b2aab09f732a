"""open_services: the only place that builds anything."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from models.database import Database, open_database
from models.durable import refuse_undurable
from models.meter import Meter
from models.settings import Settings
from pipeline.bus import Bus, join
from pipeline.bus_line import Where
from pipeline.bus_papers import papers_of
from pipeline.bus_proof import refuse_unsynced
from pipeline.drain import Drain
from pipeline.egress import Egress
from pipeline.outbox import Relay
from pipeline.storage_open import open_storage, refuse_denied
from pipeline.stores import Stores
from pipeline.tunnel import Tunnel

_ELECTION_SECONDS = 30.0  # a cluster that has just begun has no leader for some of them


class Services:
    """What every role needs, ready to use."""

    def __init__(
        self,
        settings: Settings,
        secret: str,
        database: Database,
        bus: Bus,
        stores: Stores,
        meter: Meter,
    ) -> None:
        self.settings = settings
        self.secret = secret
        self.database = database
        self.bus = bus
        self.stores = stores
        self.meter = meter
        self.egress = open_egress(settings, meter)
        self.relay = Relay(database, bus, meter)
        self.drain = Drain(settings.drain_seconds, settings.linger_seconds)


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, secret: str, meter: Meter | None = None
) -> AsyncIterator[Services]:
    """Connect to everything that `settings` names; closed again when the block ends.

    The schema must be there, see `models.schema`. Without a `meter` nothing is counted. Raises
    Unavailable or SettingsError.
    """
    meter = meter or Meter()
    database = open_database(
        settings.database_url,
        settings.data,
        settings.database_pool,
        settings.database_seconds,
        meter,
    )
    with contextlib.closing(database):
        await database.run(refuse_undurable)
        papers = papers_of(settings)
        await refuse_unsynced(settings.nats_proof, papers.tls)
        own = open_storage(settings, meter)
        await refuse_denied(own)
        where = Where(settings.nats_url, settings.nats_token, papers=papers)
        bus = await join(where, settings.nats_replicas)
        async with contextlib.aclosing(bus):
            bus.meter = meter
            await bus.prepare(_ELECTION_SECONDS)
            tunnel = open_tunnel(settings, meter)
            async with tunnel.listening():
                stores = Stores(own, secret, tunnel, meter)
                yield Services(settings, secret, database, bus, stores, meter)


def open_tunnel(settings: Settings, meter: Meter) -> Tunnel:
    """The way to customers' storage: as to originals, and only where TLS is spoken."""
    return Tunnel(replace(open_egress(settings, meter), ports=frozenset({443})))


def open_egress(settings: Settings, meter: Meter) -> Egress:
    """What may be fetched from: the public internet, and what a test opens of this machine."""
    open_ports = [int(port) for port in settings.source_loopback_ports.split(",") if port]
    return Egress(allow=frozenset(("127.0.0.1", port) for port in open_ports), meter=meter)
