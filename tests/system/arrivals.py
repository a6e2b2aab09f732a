"""A reader who tells when answers arrived, and not when he got a processor to look at them.

Whoever measures shares the machine with whom he measures: under overload he waited longer for a
processor than the answers took. So the kernel says when the last bytes came in (SO_TIMESTAMPNS),
as it would on a machine of his own. Linux only.
"""

import contextlib
import socket
import struct
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.system.burst import LOST, Got, head_within

_STAMPS = 35
"""SO_TIMESTAMPNS, and what it calls its messages; Python does not name it."""
_STAMP = struct.Struct("qq")
_ROOM = 1 << 20
"""A whole answer fits the socket: nobody has to read for the rest to be sent."""
_PATIENCE = 120.0


class Seen(NamedTuple):
    """An answer and how long it took."""

    got: Got
    seconds: float


class Reader:
    """One connection, one request at a time; a new one when it breaks."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "", parts.port or 80)
        self._request = f"GET {parts.path} HTTP/1.1\r\nHost: edge\r\n\r\n".encode()
        self._socket = self._connected()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self) -> Seen:
        """One answer; LOST when the connection broke."""
        try:
            return self.receive(self.send())
        except (OSError, EOFError):
            self._socket.close()
            self._socket = self._connected()
            return Seen(LOST, _PATIENCE)

    def send(self) -> int:
        """Ask; when that was, in nanoseconds of the clock on the wall."""
        began = time.time_ns()
        self._socket.sendall(self._request)
        return began

    def receive(self, began: int) -> Seen:
        """What came, and how long after the question. Raises OSError, EOFError."""
        received, head, arrived = bytearray(), None, 0
        while head is None or len(received) < head.end:
            data, stamps, _, _ = self._socket.recvmsg(_ROOM, socket.CMSG_SPACE(_STAMP.size))
            if not data:
                raise EOFError
            received += data
            arrived = _nanoseconds(stamps)
            head = head or head_within(received)
        got = Got(head.status, head.headers, bytes(received[head.start :]))
        return Seen(got, (arrived - began) / 1e9)

    def _connected(self) -> socket.socket:
        made = socket.socket()
        made.settimeout(_PATIENCE)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        made.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)
        made.connect(self._place)
        return made


def _nanoseconds(stamps: list[tuple[int, int, bytes]]) -> int:
    """When the kernel says it came; now, where it says nothing, which is later and never sooner."""
    for _, kind, value in stamps:
        if kind == _STAMPS:
            seconds, rest = _STAMP.unpack(value)
            return int(seconds) * 10**9 + int(rest)
    return time.time_ns()


def reading(url: str, seconds: float) -> list[Seen]:
    """One reader who asks again and again, with a little pause."""
    seen, ends = list[Seen](), time.perf_counter() + seconds
    with contextlib.closing(Reader(url)) as reader:
        while time.perf_counter() < ends:
            seen.append(reader.ask())
            time.sleep(0.005)
    return seen
