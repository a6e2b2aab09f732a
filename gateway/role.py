"""The gateway as a role: the API running, and what it announces relayed."""

import contextlib
from collections.abc import AsyncIterator

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from cdn_edge.serving import serving
from gateway.app import gateway_app
from pipeline.role import open_studio
from pipeline.services import Services
from pipeline.studio import Studio

_HEADER_MILLISECONDS = 10_000


@contextlib.asynccontextmanager
async def gateway_alone(services: Services) -> AsyncIterator[None]:
    """Serve the API with a studio of its own, for conversions."""
    async with open_studio(services.settings) as studio, serving_gateway(services, studio):
        yield


@contextlib.asynccontextmanager
async def serving_gateway(services: Services, studio: Studio) -> AsyncIterator[None]:
    """Serve the API while the block runs."""
    settings = services.settings
    server = Server(
        gateway_app(services, studio),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # while granian guesses the version, a silent line is never closed
        websockets=False,
        backlog=1024,
        backpressure=1024,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        log_enabled=False,
    )
    async with serving(server, settings.host, settings.port, services.drain):
        yield
