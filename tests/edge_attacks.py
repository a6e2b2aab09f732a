"""Requests by people who want out: of the store, of a header, of a worker's patience."""

import itertools
from collections.abc import Iterator

from tests.edge_world import BUCKET

MARK = b"x-injected"
BREAKS = (
    "%0d%0a",
    "%0a",
    "%0d",
    "%0D%0A%20",
    "%250d%250a",
    "%E5%98%8A%E5%98%8D",
    "%c4%8d%c4%8a",
    "%u000d%u000a",
    "\\r\\n",
    "%00%0d%0a",
    "%0d%0a%0d%0a",
    "%23%0d%0a",
)
"""Ways to spell the end of a line."""
HEADERS = (
    "X-Injected:%20yes",
    "Set-Cookie:%20x-injected=1",
    "Content-Length:%200%0d%0a%0d%0ax-injected",
)
PLACES = (
    "/{broken}",
    "{path}{broken}",
    "{path}?v={broken}",
    "{path}?download={broken}",
    "{path}?download=a.webp{broken}",
    "{path}?preset={broken}",
    "{path}?w=100{broken}",
    "{path}?w=100&fm=auto&bg={broken}",
    "{path}?{broken}=1",
    "http://edge{broken}{path}",
)


def splits(path: str) -> list[str]:
    """Targets that try to write a header of their own."""
    broken = [f"{end}{header}" for end, header in itertools.product(BREAKS, HEADERS)]
    return [place.format(path=path, broken=one) for place in PLACES for one in broken]


def strange(path: str) -> Iterator[bytes]:
    """Whole requests that are not quite HTTP."""
    get = f"GET {path} HTTP/1.1\r\n".encode()
    for lines in (
        b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"Host: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
        b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"Host: a\r\n folded: x\r\n\r\n",
        b"Host: a\r\nX\x00: y\r\n\r\n",
        b"Host: a\r\n: nothing\r\n\r\n",
        b"Host: a\r\nX : y\r\n\r\n",
        b"Host: a\nX: y\n\n",
        b"Host: a\r\nHost: b\r\n\r\n",
        b"Host: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: A\r\n\r\n",
        b"Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \xff\r\n\r\n",
        b"Host: a\r\nExpect: 100-continue\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"Host: a\r\nRange: bytes=" + b"0-0," * 10_000 + b"\r\n\r\n",
        b"Host: a\r\nIf-None-Match: " + b'"a",' * 10_000 + b"\r\n\r\n",
        b"Host: a\r\nAccept: " + b"image/avif;q=0.1," * 3_000 + b"\r\n\r\n",
        b"Host: a\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(3000)) + b"\r\n",
        b"Host: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"Host: a\r\nIf-Modified-Since: " + b"9" * 5000 + b"\r\n\r\n",
    ):
        yield get + lines
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    yield b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"A" * 100_000 + b" / HTTP/1.1\r\n\r\n"
    yield f"GET {path}\r\n\r\n".encode()
    yield f"GET {path} HTTP/1.1 HTTP/1.1\r\n\r\n".encode()
    yield f"GET {path}#fragment HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    yield bytes(range(256)) * 40


def traversals() -> list[str]:
    """Ways up and out: spellings of dots and slashes x depth x targets x where they begin."""
    dots = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "....",
        "..;",
        "..%00",
        "%u002e.",
    ]
    slashes = ["/", "%2f", "%5c", "\\", "%252f", "%c0%af", "//", "/./", "%ef%bc%8f"]
    targets = [
        "etc/passwd",
        "etc%2fpasswd",
        "proc/self/environ",
        "index.db",
        "canary.webp",
        "canary-1x1.webp",
        "windows/win.ini",
        "a-1x1.webp%00.html",
        "canary.txt",
        ".env",
    ]
    starts = ["/", f"/{BUCKET}/", f"/{BUCKET}/x/", f"/{BUCKET}/a-1x1.webp/"]
    return [
        start + (dot + slash) * depth + target
        for start in starts
        for dot in dots
        for slash in slashes
        for depth in (1, 2, 3, 4, 5, 6, 8)
        for target in targets
    ]
