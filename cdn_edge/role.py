"""The edge as a role: its cache opened, its purges followed, its server running."""

import contextlib
from collections.abc import AsyncIterator

from cdn_edge.access import WitnessedEdge
from cdn_edge.app import Conversion, Edge, edge_app
from cdn_edge.cache import open_cache
from cdn_edge.darkroom import Darkroom
from cdn_edge.fleet import Fleet
from cdn_edge.hiring import hiring
from cdn_edge.library import fetcher, finder
from cdn_edge.listener import Listener, listener_on
from cdn_edge.parting import Parting
from cdn_edge.policies import Policies
from cdn_edge.policy import is_local
from cdn_edge.policy_rows import policy_looker
from cdn_edge.prompt import Prompt
from cdn_edge.purges import follow_purges
from cdn_edge.renders import RenderRates
from cdn_edge.server import PATIENCE, edge_server
from cdn_edge.serving import Place, serving
from cdn_edge.stock import stock_checker, stock_finder, stock_opener
from cdn_edge.supply import Making
from models.settings import Settings
from pipeline.bus_leases import Leases
from pipeline.services import Services
from pipeline.studio import Studio
from pipeline.tasks import running


@contextlib.asynccontextmanager
async def serving_edge(
    services: Services, studio: Studio | None = None, listener: Listener | None = None
) -> AsyncIterator[None]:
    """Serve the edge while the block runs, with what is not given of its own."""
    settings = services.settings
    folder = settings.data / "edge-cache"
    cache = open_cache(settings.edge_memory_bytes, folder, settings.edge_disk_bytes)
    database, stores = services.database, services.stores
    policies = Policies(policy_looker(database, services.secret))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(cache.close)
        making = await stack.enter_async_context(_making(services, studio))
        conversion = Conversion(policies, making, local=is_local(settings))
        meter = services.meter
        cache.observed(meter)
        await stack.enter_async_context(running(lambda: cache.weigh(meter)))
        edge = edge_app(
            finder(database), fetcher(database, stores), cache, conversion=conversion, meter=meter
        )
        meter.watch(lambda: meter.show("calotype_edge_trusted", value=edge.trusted))
        following = running(lambda: follow_purges(services.bus, edge, policies))
        await stack.enter_async_context(following)
        where = (settings.host, settings.edge_port)
        shown = await stack.enter_async_context(_witnessed(edge, settings))
        listener = listener or listener_on(*where, patience=PATIENCE)
        server = edge_server(Parting(shown, services.drain), *where, listener=listener)
        await stack.enter_async_context(serving(server, Place(*where, listener), services.drain))
        yield


@contextlib.asynccontextmanager
async def _witnessed(edge: Edge, settings: Settings) -> AsyncIterator[Prompt]:
    """The edge as it is; or, if that is wanted, with its answers told in the log."""
    if "edge" not in settings.access_log:
        yield edge
        return
    witnessed = WitnessedEdge(edge)
    async with running(witnessed.run):
        yield witnessed


@contextlib.asynccontextmanager
async def _making(services: Services, studio: Studio | None) -> AsyncIterator[Making]:
    settings, database, stores = services.settings, services.database, services.stores
    fleet = Fleet(services.bus, Leases(services.bus, settings.nats_replicas))
    async with hiring(settings, studio, services.meter) as hire, running(fleet.run):
        darkroom = Darkroom(
            stores.own,
            stock_finder(database),
            stock_opener(database, stores),
            hire,
            fleet,
            most=settings.edge_renders,
        )
        yield Making(
            darkroom, RenderRates(settings.rate_limit_renders).take, stock_checker(database)
        )
        await fleet.settle(services.drain.left())
