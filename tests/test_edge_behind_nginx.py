"""A cache in front of the edge understands what the edge says. Debian's nginx, if it is here."""

import http.client
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_world import BUCKET, Served, free_port, serve, wait_for_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
CONFIG = """
worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log; {user}
events {{ worker_connections 64; }}
http {{
    access_log off; proxy_cache_path {home}/cache keys_zone=edge:1m;
    client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
    uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{edge}; proxy_cache edge; proxy_http_version 1.1;
            proxy_set_header Connection ""; add_header x-cache $upstream_cache_status always;
        }}
    }}
}}
"""
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
    port = free_port()
    user = "user root;" if tmp_path.owner() == "root" else ""
    config = tmp_path / "nginx.conf"
    config.write_text(CONFIG.format(home=tmp_path, port=port, edge=edge.port, user=user))
    with subprocess.Popen([NGINX or "", "-c", str(config)]) as nginx:
        wait_for_port(port)
        yield port
        nginx.send_signal(signal.SIGTERM)


def ask(
    port: int, path: str = PICTURE, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    link.request(method, path, headers=named)
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


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
