"""The edge under granian, within the running event loop."""

from collections.abc import Callable
from typing import Any, cast

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from cdn_edge.listener import Listener, listen_on
from cdn_edge.prompt import Prompt, run_worker

PATIENCE = 10.0

_BACKLOG = 2048
_MOST_HEADER_BYTES = 65_536
"""Of one request. granian would keep 400 KB for each of those that never finish."""


class EdgeServer(Server):
    """granian with a socket of ours and a short way to the hits."""

    def __init__(
        self, edge: Prompt, host: str, port: int, patience: float, descriptor: Callable[[], int]
    ) -> None:
        self._descriptor = descriptor
        super().__init__(
            edge,
            address=host,
            port=port,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=_BACKLOG,
            backpressure=_BACKLOG,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(patience * 1000), max_buffer_size=_MOST_HEADER_BYTES
            ),
            log_enabled=False,
        )

    async def serve(  # type: ignore[override]  # as granian's embedded server does
        self, spawn_target: Callable[..., None] | None = None
    ) -> None:
        """Serve until stopped."""
        await super().serve(spawn_target or cast("Callable[..., None]", run_worker))

    def _init_shared_socket(self) -> None:
        """The socket that granian's worker is given. Raises OSError."""
        holder: Any = SocketHolder  # its stub says less than it takes
        uds = False
        self._shd = holder(self._descriptor(), uds, _BACKLOG)


def edge_server(
    edge: Prompt,
    host: str,
    port: int,
    *,
    patience: float = PATIENCE,
    listener: Listener | None = None,
) -> EdgeServer:
    """A server to `serve()` in a task and to `stop()`; without a listener it opens its own.

    A connection on which no request arrives within `patience` seconds is closed, and so is one
    whose reader takes nothing (see `listen_on`). No WebSockets: they have had their CVE. HTTP/1
    only: while granian guesses the version, a connection that says nothing is never closed. HTTP/2
    is for the proxy that does TLS.
    """

    def own() -> int:
        return listen_on(host, port, patience=patience).detach()

    return EdgeServer(edge, host, port, patience, listener.descriptor if listener else own)
