"""The socket that readers connect to, and how it is shut without turning anybody away.

When a listening socket is closed, the kernel resets the connections that nobody has taken from
its queue yet, with the requests that were sent on them. So first no new one is let into the
queue, then what is in it is taken, and only then is everybody else refused: a proxy that is
refused asks another server, whatever the request.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
from pathlib import Path

_BUFFER_BYTES = 262_144
"""A picture of the usual size goes to the kernel whole, and its copy in this process is freed:
500 readers who stopped reading 200 KB cost about 50 MB here instead of 70."""
_SO_ATTACH_FILTER = 26
_NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 2), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
"""Classic BPF over a TCP header: drop it if its byte 13, the flags, has 2, which is SYN."""
_TAKE_SECONDS = 0.2
"""For the server to take what is in the queue. Who comes meanwhile comes again in a second."""
_ESTABLISHED = "01"


class Listener:
    """A listening socket of this process."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening

    def descriptor(self) -> int:
        """One more descriptor of it, for a server that will close it."""
        return self._socket.dup().detach()

    async def shut(self) -> None:
        """Let nobody in any more; who waits to be taken still is. For good."""
        with contextlib.suppress(OSError):  # not Linux
            _let_nobody_in(self._socket)
            await asyncio.sleep(_TAKE_SECONDS)
            _close_everywhere(self._socket)
        self._socket.close()


def listener_on(host: str, port: int, *, patience: float | None = None) -> Listener:
    """A listener on host:port, see `listen_on`. Raises OSError."""
    return Listener(listen_on(host, port, patience=patience))


def listen_on(host: str, port: int, *, patience: float | None = None) -> socket.socket:
    """A bound TCP socket; with `patience`, who takes nothing for so many seconds is left.

    granian waits for ever for a reader who stopped reading; the kernel need not. A connection
    inherits the time-out from its listener, and it counts while the reader's window is shut; the
    kernel looks at doubling intervals, so that an end comes within two and a half times as long.
    Like granian's own, the port can be shared by several processes. Raises OSError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if patience is not None:
            _leave_who_stalls(made, patience)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def connections(port: int) -> int:
    """How many connections to a port of this machine stand; 0 where the kernel does not tell."""
    lines: list[str] = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            lines += Path("/proc/self/net", name).read_text().splitlines()
    rows = [line.split(maxsplit=4) for line in lines]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == _ESTABLISHED for row in rows)


def _leave_who_stalls(made: socket.socket, patience: float) -> None:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))


def _let_nobody_in(listening: socket.socket) -> None:
    """Drop what asks for a new connection, and nothing of those that stand or nearly do."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _NO_SYN))
    program = struct.pack("HL", len(_NO_SYN), ctypes.addressof(code))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _close_everywhere(listening: socket.socket) -> None:
    """Put a socket that nobody knows in its place, wherever this process has it.

    granian cannot be told to listen no more and to go on; without a socket it just hears nothing.
    """
    which = os.fstat(listening.fileno())
    with socket.socket() as unknown:
        for number in [int(one.name) for one in Path("/proc/self/fd").iterdir()]:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(number), which):
                    os.dup2(unknown.fileno(), number, inheritable=False)
