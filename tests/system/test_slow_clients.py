"""Clients that are slow, endless or gone: each is given up in time, and nobody else notices."""

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.system.drawn import photo
from tests.system.world import World, eventually, world

FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"
JSON = b"Content-Type: application/json\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n\xff\xd8\xff'
FIELD = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n'


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system that waits two seconds for the next byte, and six for all of them."""
    with world(
        tmp_path_factory.mktemp("hasty") / "data",
        CALOTYPE_READ_SECONDS="2",
        CALOTYPE_BODY_SECONDS="6",
        CALOTYPE_MAX_FILE_BYTES="300000",
        CALOTYPE_MAX_UPLOADS="4",
    ) as made:
        yield made


@contextlib.contextmanager
def line(system: World) -> Iterator[socket.socket]:
    where = urlsplit(system.api)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        yield connection


def head(system: World, path: str, headers: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {system.key}\r\n".encode()
        + headers
        + b"\r\n"
    )


def status(connection: socket.socket) -> int:
    return int(connection.recv(4096).split()[1])


def drip(connection: socket.socket, piece: bytes, pause: float, most: float) -> int | None:
    """Send the piece again and again until there is an answer; its status."""
    deadline = time.monotonic() + most
    while time.monotonic() < deadline:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(piece)
        if select.select([connection], [], [], pause)[0]:
            return status(connection)
    return None


def is_served(system: World) -> bool:
    return system.http.get("/api/v1/images").status_code == 200


@pytest.mark.parametrize(
    ("path", "kind", "start"),
    [
        ("/api/v1/images", FORM, PART),
        ("/api/v1/images", FORM, FIELD),
        ("/api/v1/convert", FORM, PART),
        ("/api/v1/keys", JSON, b'{"name": "'),
        ("/api/v1/galleries", JSON, b'{"name": "'),
    ],
)
def test_a_body_that_stops_coming_is_given_up(
    hasty: World, path: str, kind: bytes, start: bytes
) -> None:
    with line(hasty) as connection:
        connection.sendall(head(hasty, path, kind + b"Content-Length: 9000\r\n") + start)
        began = time.monotonic()
        assert status(connection) == 408
        assert 1.5 < time.monotonic() - began < 8
    eventually(lambda: not hasty.staging())
    assert is_served(hasty)


@pytest.mark.parametrize(
    ("path", "kind", "start"),
    [("/api/v1/images", FORM, PART), ("/api/v1/keys", JSON, b'{"name": "')],
)
def test_a_body_that_drips_is_given_up(hasty: World, path: str, kind: bytes, start: bytes) -> None:
    with line(hasty) as connection:
        connection.sendall(head(hasty, path, kind + b"Content-Length: 9000\r\n") + start)
        began = time.monotonic()
        assert drip(connection, b"a", 0.5, 20) == 408
        assert 1.5 < time.monotonic() - began < 14
    eventually(lambda: not hasty.staging())


def test_headers_and_then_nothing_is_given_up(hasty: World) -> None:
    with line(hasty) as connection:
        connection.sendall(head(hasty, "/api/v1/images", FORM + b"Content-Length: 9000\r\n"))
        assert status(connection) == 408


@pytest.mark.parametrize(
    ("path", "kind", "start", "answers"),
    [
        ("/api/v1/images", FORM, PART, {413}),
        ("/api/v1/images", FORM, FIELD, {413}),
        ("/api/v1/keys", JSON, b'{"name": "', {413}),
    ],
)
def test_a_body_without_end_is_cut_off(
    hasty: World, path: str, kind: bytes, start: bytes, answers: set[int]
) -> None:
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    with line(hasty) as connection:
        connection.sendall(head(hasty, path, kind + b"Transfer-Encoding: chunked\r\n"))
        connection.sendall(b"%x\r\n%s\r\n" % (len(start), start))
        assert drip(connection, chunk, 0.01, 20) in answers
    eventually(lambda: not hasty.staging())
    assert is_served(hasty)


def test_a_form_of_endless_parts_is_cut_off(hasty: World) -> None:
    part = FIELD.replace(b'"name"', b'"n"') + b"a\r\n"
    with line(hasty) as connection:
        chunked = FORM + b"Transfer-Encoding: chunked\r\n"
        connection.sendall(head(hasty, "/api/v1/images", chunked))
        answer = drip(connection, b"%x\r\n%s\r\n" % (len(part), part), 0.01, 20)
    assert answer in {400, 413}


def test_uploads_beyond_the_door_are_told_to_come_back_and_the_rest_is_served(
    hasty: World,
) -> None:
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(line(hasty)) for _ in range(5)]
        for one in lines:
            one.sendall(head(hasty, "/api/v1/images", FORM + b"Content-Length: 9000\r\n") + PART)
        assert is_served(hasty)
        answers = sorted((one.recv(4096).lower() for one in lines), key=lambda told: told[:12])
        assert [told[:12] for told in answers] == [b"http/1.1 408"] * 4 + [b"http/1.1 503"]
        assert b'"overloaded"' in answers[-1]
        assert b"\r\nretry-after: " in answers[-1]
    assert hasty.upload(photo(40, 30)).status_code == 200


def test_500_idle_connections_keep_nobody_waiting(hasty: World) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(500):
            connection = stack.enter_context(line(hasty))
            if number % 2:
                connection.sendall(b"GET /api/v1/images HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        for _ in range(5):
            assert httpx2.get(f"{hasty.api}/healthz", trust_env=False).status_code == 200
        assert hasty.upload(photo(40, 30)).status_code == 200
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("start", [PART, PART + bytes(200_000), FIELD, b""])
def test_who_leaves_in_the_middle_leaves_nothing(hasty: World, start: bytes) -> None:
    with line(hasty) as connection:
        connection.sendall(
            head(hasty, "/api/v1/images", FORM + b"Content-Length: 280000\r\n") + start
        )
        time.sleep(0.3)  # some of it is there by now
    eventually(lambda: not hasty.staging())
    assert is_served(hasty)
    assert not list(hasty.data.glob("objects/**/*staging*/*"))
    assert "unexpected failure" not in hasty.log()


def test_a_watcher_who_leaves_gives_the_place_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with world(tmp_path_factory.mktemp("watched") / "data", CALOTYPE_MAX_STREAMS="1") as system:
        orders = [_begun(system, photo(1500, height)) for height in (1100, 1101, 1102)]
        there = f"/api/v1/orders/{orders[-1]}/events"
        with system.http.stream("GET", there) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: accepted"
            full = system.http.get(there)
            assert (full.status_code, full.json()["code"]) == (503, "overloaded")
        eventually(lambda: _may_watch(system, orders[-1]))
        with system.http.stream("GET", there) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: accepted"
            began = time.monotonic()
            assert system.stop() == 0
            assert time.monotonic() - began < 15


def _begun(system: World, picture: bytes) -> str:
    """The id of an order that takes its time."""
    form = {"formatOptions": '{"format": "avif", "options": {"effort": 9}}'}
    answer = system.http.post(
        "/api/v1/images",
        data=form,
        files={"image": ("a.jpg", picture, "image/jpeg")},
        headers={"Prefer": "respond-async"},
    )
    return str(answer.json()["id"])


def _may_watch(system: World, order: str) -> bool:
    with system.http.stream("GET", f"/api/v1/orders/{order}/events") as answer:
        return answer.status_code == 200
