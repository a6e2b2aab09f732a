"""The edge under granian, within the running event loop."""

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from cdn_edge.app import Edge


def edge_server(edge: Edge, host: str, port: int, *, patience: float = 10.0) -> Server:
    """A server to `serve()` in a task and to `stop()`.

    A connection on which no request arrives within `patience` seconds is closed. No WebSockets:
    they have had their CVE. HTTP/1 only: while granian guesses the version, a connection that
    says nothing is never closed. HTTP/2 is for the proxy that does TLS.
    """
    return Server(
        edge,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2048,
        backpressure=2048,
        http1_settings=HTTP1Settings(header_read_timeout=int(patience * 1000)),
        log_enabled=False,
    )
