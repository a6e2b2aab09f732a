"""Clients that stall, and clients that ask for what is not there: nobody else notices."""

import itertools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.edge_world import BUCKET, serve
from tests.stalls import connections, stalled

BODY = os.urandom(200_000)
PICTURE = f"/{BUCKET}/a-1x1.webp"


def megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def until(condition: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="counts connections in /proc")
def test_500_stalled_clients_are_closed_and_cost_little_and_nobody_waits_for_them() -> None:
    with serve(patience=1) as edge:
        edge.shelf.put("a-1x1.webp", BODY)
        assert edge.ask(PICTURE).body == BODY
        before = megabytes()
        with stalled(edge.port, 500, PICTURE):
            for _ in range(20):
                assert edge.ask(PICTURE).body == BODY
            assert megabytes() - before <= 64
            until(lambda: connections(edge.port) == 0, 30)
        assert edge.ask(PICTURE).body == BODY


def test_a_flood_of_missing_keys_leaves_the_pictures_to_their_readers() -> None:
    numbers = itertools.count()

    def flood(_: int) -> int:
        paths = [f"/{BUCKET}/missing-{next(numbers)}x1.webp" for _ in range(50)]
        lines = [f"GET {path} HTTP/1.1\r\nHost: a\r\n" for path in paths]
        said = "\r\n".join(lines) + "Connection: close\r\n\r\n"
        answers = edge.raw(said.encode()).split(b"HTTP/1.1 ")[1:]
        assert {answer[:3] for answer in answers} <= {b"404", b"503"}
        return len(answers)

    with serve() as edge, ThreadPoolExecutor(8) as pool:
        edge.shelf.put("a-1x1.webp", BODY)
        assert edge.ask(PICTURE).body == BODY
        edge.shelf.delay = 0.005  # what a busy database takes
        before = megabytes()
        flooding = [pool.submit(flood, number) for number in range(40)]
        while not all(one.done() for one in flooding):
            assert edge.ask(PICTURE).body == BODY
        assert sum(one.result() for one in flooding) == 2000
        assert megabytes() - before <= 64


def test_a_missing_key_is_looked_up_once_however_often_it_is_asked_for() -> None:
    with serve(absent_seconds=60) as edge:
        for _ in range(50):
            assert edge.ask(f"/{BUCKET}/missing-1x1.webp").status == 404
        assert len(edge.shelf.finds) == 1
