"""Nothing leads out of the store, into a header, or to a worker's death. On a whole system."""

import contextlib
import socket
from urllib.parse import urlsplit

import pytest

from tests.edge_attacks import MARK, splits, strange, traversals
from tests.system.mixups import paths_of
from tests.system.world import World

CANARY = b"THE-CANARY-SINGS"


@pytest.fixture(scope="module")
def path(system: World) -> str:
    """Of a stored picture; around it lie files that no request may read."""
    names = ("canary.txt", "canary.webp", "canary-1x1.webp", ".env", "index.db.txt")
    for folder in (system.data, system.data / "objects", system.data / "edge-cache"):
        for name in names:
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(CANARY)
    return paths_of(system, 1, 1)[0].partition("?")[0]


def exchange(system: World, request: bytes, patience: float = 60) -> bytes:
    """What comes back until the other side closes, or has nothing more to say."""
    where = urlsplit(system.edge)
    with socket.create_connection((where.hostname, where.port), timeout=30) as link:
        link.settimeout(patience)
        received = b""
        with contextlib.suppress(OSError):
            link.sendall(request)
            while some := link.recv(65536):
                received += some
    return received


def ask_all(system: World, targets: list[str]) -> bytes:
    """One after the other over one connection."""
    asked = [f"GET {target} HTTP/1.1\r\nHost: edge\r\n" for target in targets]
    asked[-1] += "Connection: close\r\n"
    return exchange(system, "".join(f"{one}\r\n" for one in asked).encode())


def is_well(system: World, path: str) -> bool:
    answer = ask_all(system, [path])
    return system.process.poll() is None and answer.startswith(b"HTTP/1.1 200")


def test_no_way_up_reads_anything(system: World, path: str) -> None:
    bucket = path.split("/")[1]
    targets = [target.replace("2t7YzLFAGr", bucket) for target in traversals()]
    assert len(targets) > 23_000
    for at in range(0, len(targets), 400):
        group = targets[at : at + 400]
        received = ask_all(system, group)
        assert received.count(b"HTTP/1.1 4") == received.count(b"HTTP/1.1 ") == len(group)
        assert CANARY not in received
        assert b"root:" not in received
    assert is_well(system, path)


def test_no_line_break_becomes_a_header(system: World, path: str) -> None:
    targets = splits(path)
    assert len(targets) >= 300
    for target in targets:
        received = exchange(system, f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert received.startswith(b"HTTP/1.")
        for one in received.split(b"HTTP/1."):
            head = one.partition(b"\r\n\r\n")[0].lower()
            names = [line.partition(b":")[0].strip() for line in head.split(b"\r\n")[1:]]
            assert MARK not in names
            assert b"set-cookie" not in names
    assert is_well(system, path)


def test_what_is_not_quite_http_kills_nobody(system: World, path: str) -> None:
    for request in strange(path):
        received = exchange(system, request, patience=0.5)
        assert CANARY not in received
        assert b"HTTP/1.1 5" not in received
    assert is_well(system, path)
