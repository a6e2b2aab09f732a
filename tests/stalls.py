"""Clients that stall, in every way there is."""

import contextlib
import itertools
import resource
import socket
from collections.abc import Iterator
from pathlib import Path


def ways(path: str) -> list[bytes]:
    """What they say before they stop."""
    get = f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode()
    return [
        b"",  # nothing
        b"GE",  # in the first line
        get,  # in the headers
        get + b"X: " + b"a" * 60_000,  # in very long headers
        get + b"Content-Length: 900\r\n\r\nab",  # in a body
        get.replace(b"GET", b"POST") + b"Content-Length: 9000000\r\n\r\na",  # in a long one
        get + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",  # in a chunk
        get + b"\r\n",  # while reading
        (get + b"\r\n") * 20,  # while reading much
    ]


@contextlib.contextmanager
def stalled(port: int, count: int, path: str) -> Iterator[None]:
    """So many clients, each stuck in one of the ways."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # both ends may be in this process
    with contextlib.ExitStack() as stack:
        for said in itertools.islice(itertools.cycle(ways(path)), count):
            link = stack.enter_context(socket.socket())
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", port))
            link.sendall(said)
        yield


def connections(port: int) -> int:
    """Open ones, on the side of the server."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)
