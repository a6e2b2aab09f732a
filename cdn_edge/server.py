"""The edge under granian, within the running event loop."""

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from cdn_edge.app import Edge

_HEADER_MILLISECONDS = 10_000
"""A reader that has not said what it wants after so long is let go."""


def edge_server(edge: Edge, host: str, port: int) -> Server:
    """A server to `serve()` in a task and to `stop()`. No WebSockets: they have had their CVE."""
    return Server(
        edge,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        websockets=False,
        backlog=1024,
        backpressure=1024,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        log_enabled=False,
    )
