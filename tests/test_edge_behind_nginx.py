"""A cache in front of the edge understands what the edge says. Debian's nginx, if it is here."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdn_edge import answers
from tests import nginx
from tests.edge_world import BUCKET, Served, serve
from tests.nginx import NGINX, nginx_before

BODY = bytes(range(250)) * 4
PICTURE = f"/{BUCKET}/a-1x1.webp"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def edge() -> Iterator[Served]:
    with serve() as served:
        served.shelf.put("a-1x1.webp", BODY, immutable=True)
        yield served


@pytest.fixture
def port(edge: Served, tmp_path: Path) -> Iterator[int]:
    with nginx_before(edge.port, tmp_path) as port:
        yield port


def ask(
    port: int, path: str = PICTURE, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    return nginx.ask(port, path, method, **headers)


def test_a_picture_is_kept_in_front_and_arrives_whole(port: int) -> None:
    for said in ("MISS", "HIT", "HIT"):
        status, headers, body = ask(port)
        assert (status, headers["x-cache"], body) == (200, said, BODY)
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_conditions_are_answered_from_the_copy_in_front(port: int) -> None:
    _, first, _ = ask(port)
    for condition in (
        {"If_None_Match": first["etag"]},
        {"If_Modified_Since": first["last-modified"]},
    ):
        status, headers, body = ask(port, **condition)
        assert (status, headers["x-cache"], body) == (304, "HIT", b"")


def test_parts_are_cut_from_the_copy_in_front(port: int) -> None:
    ask(port)
    status, headers, body = ask(port, Range="bytes=10-19")
    assert (status, headers["x-cache"], body) == (206, "HIT", BODY[10:20])
    status, headers, _ = ask(port, Range="bytes=5000-")
    assert (status, headers["x-cache"]) == (416, "HIT")


def test_a_first_request_for_a_part_stores_the_whole_or_nothing(port: int) -> None:
    status, _, body = ask(port, Range="bytes=10-19")
    assert (status, body) == (206, BODY[10:20])
    assert ask(port)[2] == BODY


def test_head_is_answered_from_the_same_copy(port: int) -> None:
    ask(port)
    status, headers, body = ask(port, method="HEAD")
    assert (status, headers["x-cache"], headers["content-length"], body) == (
        200,
        "HIT",
        "1000",
        b"",
    )


def test_a_missing_picture_is_kept_for_a_moment_and_an_outage_is_not(
    port: int, edge: Served
) -> None:
    missing = f"/{BUCKET}/missing-1x1.webp"
    assert [ask(port, missing)[1]["x-cache"] for _ in range(2)] == ["MISS", "HIT"]
    edge.shelf.find_error = ConnectionError("down")
    try:
        away = f"/{BUCKET}/away-1x1.webp"
        assert [(ask(port, away)[0], ask(port, away)[1]["x-cache"])] == [(503, "MISS")]
    finally:
        edge.shelf.find_error = None


def test_a_refused_condition_or_part_is_never_kept_in_place_of_the_picture(port: int) -> None:
    assert ask(port, If_Match='"other"')[0] in {200, 412}
    assert ask(port, Range="bytes=5000-")[0] == 416
    assert ask(port)[2] == BODY


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, int]]:
    """An edge whose replaceable pictures are old after a second, and what is before it."""
    monkeypatch.setattr(answers, "BRIEFLY", "public, max-age=1, stale-while-revalidate=300")
    with serve() as served:
        served.shelf.put("r-1x1.webp", BODY)
        with nginx_before(served.port, tmp_path) as port:
            yield served, port


REPLACEABLE = f"/{BUCKET}/r-1x1.webp"


def test_an_old_picture_is_given_at_once_while_the_new_one_is_fetched(
    hasty: tuple[Served, int],
) -> None:
    served, port = hasty
    assert ask(port, REPLACEABLE)[1]["x-cache"] == "MISS"
    served.shelf.put("r-1x1.webp", BODY[::-1])
    served.run(served.edge.forget(BUCKET, "r-1x1.webp"))
    served.shelf.delay = 0.5
    time.sleep(2.1)  # nginx counts in whole seconds
    _, headers, body = ask(port, REPLACEABLE)
    assert (headers["x-cache"], body) == ("STALE", BODY)
    eventually(lambda: ask(port, REPLACEABLE)[2] == BODY[::-1])


def test_an_old_picture_that_is_still_the_same_is_not_sent_again(
    hasty: tuple[Served, int],
) -> None:
    _, port = hasty
    ask(port, REPLACEABLE)
    time.sleep(2.1)
    assert ask(port, REPLACEABLE)[1]["x-cache"] == "STALE"
    eventually(lambda: ask(port, REPLACEABLE)[1]["x-cache"] in {"HIT", "REVALIDATED"})
    assert ask(port, REPLACEABLE)[2] == BODY


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError
