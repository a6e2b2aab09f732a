"""The proof's reader tells when an answer came, however late he looks."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.system.arrivals import Reader, reading

BODY = b"x" * 100_000
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-it: is\r\n\r\n" % len(BODY) + BODY
FIRST = 20
"""Answers until the kernel has begun to stamp what arrives, which it does when somebody asks."""


@contextlib.contextmanager
def server(pause: float = 0, answers: int = 10_000) -> Iterator[str]:
    """Says the same to everybody, after a pause; hangs up after so many answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listening.accept()
                    with line:
                        for _ in range(answers):
                            if not line.recv(65_536):
                                break
                            time.sleep(pause)
                            line.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/a.webp"
        listening.shutdown(socket.SHUT_RDWR)


def test_who_looks_late_does_not_count_his_own_delay() -> None:
    with server() as url, contextlib.closing(Reader(url)) as reader:
        for _ in range(FIRST):
            reader.ask()
        began = reader.send()
        time.sleep(0.5)
        seen = reader.receive(began)
    assert seen.got == (200, {"content-length": "100000", "x-it": "is"}, BODY)
    assert 0 < seen.seconds < 0.4


def test_what_the_server_takes_counts() -> None:
    with server(pause=0.2) as url:
        seen = reading(url, 0.5)
    assert len(seen) in {2, 3}
    assert all(one.seconds >= 0.2 for one in seen)


@pytest.mark.filterwarnings("error")
def test_a_broken_connection_is_told_and_replaced() -> None:
    with server(answers=3) as url, contextlib.closing(Reader(url)) as reader:
        statuses = [reader.ask().got.status for _ in range(8)]
    assert statuses == [200, 200, 200, 0, 200, 200, 200, 0]
