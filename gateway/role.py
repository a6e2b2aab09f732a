"""The gateway as a role: the API running, and what it announces relayed."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar.types import ASGIApp

from cdn_edge.listener import Listener, listener_on
from cdn_edge.serving import Place, serving
from gateway.app import gateway_app
from gateway.parting import parting
from pipeline.role import open_studio
from pipeline.services import Services
from pipeline.studio import Studio

_HEADER_MILLISECONDS = 10_000
_BACKLOG = 1024


@contextlib.asynccontextmanager
async def gateway_alone(
    services: Services, listener: Listener | None = None
) -> AsyncIterator[None]:
    """Serve the API with a studio of its own, for conversions."""
    async with (
        open_studio(services.settings, services.meter) as studio,
        serving_gateway(services, studio, listener),
    ):
        yield


@contextlib.asynccontextmanager
async def serving_gateway(
    services: Services, studio: Studio, listener: Listener | None = None
) -> AsyncIterator[None]:
    """Serve the API while the block runs; without a `listener` on one of its own."""
    where = (services.settings.host, services.settings.port)
    listener = listener or listener_on(*where)
    server = _Server(
        parting(gateway_app(services, studio), services.drain),
        listener,
        address=where[0],
        port=where[1],
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # while granian guesses the version, a silent line is never closed
        websockets=False,
        backlog=_BACKLOG,
        backpressure=1024,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        log_enabled=False,
    )
    async with serving(server, Place(*where, listener), services.drain):
        yield


class _Server(Server):
    """granian on a listener of ours."""

    def __init__(self, app: ASGIApp, listener: Listener, **how: Any) -> None:  # noqa: ANN401 passed on
        super().__init__(app, **how)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder  # its stub says less than it takes
        uds = False
        self._shd = holder(self._listener.descriptor(), uds, _BACKLOG)
