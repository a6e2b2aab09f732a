"""The edge as a role: its cache opened, its purges followed, its server running."""

import contextlib
from collections.abc import AsyncIterator

from cdn_edge.app import edge_app
from cdn_edge.cache import open_cache
from cdn_edge.library import fetcher, finder
from cdn_edge.policies import Policies
from cdn_edge.policy_rows import policy_looker
from cdn_edge.purges import follow_purges
from cdn_edge.server import edge_server
from cdn_edge.serving import serving
from pipeline.services import Services
from pipeline.tasks import running


@contextlib.asynccontextmanager
async def serving_edge(services: Services) -> AsyncIterator[None]:
    """Serve the edge while the block runs."""
    settings = services.settings
    folder = settings.data / "edge-cache"
    cache = open_cache(settings.edge_memory_bytes, folder, settings.edge_disk_bytes)
    edge = edge_app(finder(services.database), fetcher(services.database, services.stores), cache)
    policies = Policies(policy_looker(services.database, services.secret))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(cache.close)
        following = running(lambda: follow_purges(services.bus, edge, policies))
        await stack.enter_async_context(following)
        where = (settings.host, settings.edge_port)
        server = edge_server(edge, *where)
        await stack.enter_async_context(serving(server, *where, services.drain))
        yield
