"""Requests over HTTP: sent twice, answered later, too many, too slow."""

import concurrent.futures
import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pysqlite3.dbapi2
import pytest

from tests.system.drawn import photo
from tests.system.world import World, eventually, world

SLOW = {"formatOptions": {"format": "avif", "options": {"effort": 6}}}


def keyed(key: str = "", **more: str) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex} | more


def send(system: World, headers: dict[str, str], picture: bytes, **fields: Any) -> httpx2.Response:
    form = {name: json.dumps(value) for name, value in fields.items()}
    file = {"image": ("picture.jpg", picture, "image/jpeg")}
    return system.http.post("/api/v1/images", data=form, files=file, headers=headers)


def test_an_upload_sent_twice_is_one_upload(system: World) -> None:
    before, headers, picture = system.credits(), keyed(), photo(80, 60)
    first = send(system, headers, picture)
    second = send(system, headers, picture)
    assert first.status_code == second.status_code == 200
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert system.credits() == before - 1
    eventually(lambda: not system.staging())


def test_a_key_is_for_one_request(system: World) -> None:
    headers, picture = keyed(), photo(80, 60)
    assert send(system, headers, picture).is_success
    for answer in (
        send(system, headers, photo(60, 80)),
        send(system, headers, picture, resizeOptions={"width": 40}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "key-reused")
    eventually(lambda: not system.staging())
    image = send(system, headers, picture).json()["data"][0]["id"]
    other_route = system.http.patch(
        f"/api/v1/images/{image}", files={"name": (None, "x")}, headers=headers
    )
    assert other_route.status_code == 200


@pytest.mark.parametrize("key", ["x" * 256, "a b", "caf\u00e9", ""])
def test_a_key_is_visible_ascii(system: World, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = system.http.post("/api/v1/images", files={"image": photo(8, 8)}, headers=headers)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["error"]


def test_a_refusal_is_not_remembered(system: World) -> None:
    headers, picture = keyed(), photo(80, 60)
    assert send(system, headers, picture, resizeOptions={"width": -1}).status_code == 400
    again = send(system, headers, picture)
    assert again.status_code == 200
    assert "idempotency-replayed" not in again.headers


def test_the_failure_of_an_order_is_remembered(system: World) -> None:
    before, headers, picture = system.credits(), keyed(), photo()[:20_000]
    first, second = (send(system, headers, picture) for _ in range(2))
    assert (first.status_code, first.json()["code"]) == (400, "damaged-image")
    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"
    assert system.credits() == before


def test_a_change_sent_twice_is_one_change(system: World) -> None:
    image = send(system, {}, photo(80, 60)).json()["data"][0]["id"]
    headers, there = keyed(), f"/api/v1/images/{image}"
    first = system.http.patch(there, files={"name": (None, "first")}, headers=headers)
    assert first.json()["data"]["originalName"] == "first"
    system.http.patch(there, files={"name": (None, "second")})
    again = system.http.patch(there, files={"name": (None, "first")}, headers=headers)
    assert again.content == first.content
    assert system.http.get(there).json()["data"]["originalName"] == "second"


def test_fifty_at_once_are_one_upload(system: World) -> None:
    before, headers, picture = system.credits(), keyed(), photo(640, 480)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: send(system, headers, picture), range(50)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 409}
    good = {answer.content for answer in answers if answer.status_code == 200}
    assert len(good) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "still-running"
            assert int(answer.headers["retry-after"]) >= 1
    assert system.credits() == before - 1
    assert send(system, headers, picture).content in good
    eventually(lambda: not system.staging())


def test_who_prefers_not_to_wait_is_told_where_to_look(system: World) -> None:
    before, headers, picture = system.credits(), keyed(Prefer="respond-async"), photo(1200, 900)
    answer = send(system, headers, picture, **SLOW)
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    order = answer.json()
    assert order["status"] == "pending"
    assert answer.headers["location"].endswith(f"/api/v1/orders/{order['id']}")
    done = eventually(lambda: _ended(system, order["id"]), 30)
    assert done["status"] == "done"
    assert done["data"][0]["originalName"] == "picture.jpg"
    again = send(system, headers, picture, **SLOW)
    assert again.status_code == 202
    assert (again.json()["id"], again.json()["status"]) == (order["id"], "done")
    waiting = send(system, headers | {"Prefer": ""}, picture, **SLOW)
    assert waiting.status_code == 200
    assert waiting.json()["data"] == done["data"]
    assert system.credits() == before - 1


def _ended(system: World, order: str) -> dict[str, Any] | None:
    body: dict[str, Any] = system.http.get(f"/api/v1/orders/{order}").json()
    return body if body["status"] != "pending" else None


def test_who_waits_may_say_how_long(system: World) -> None:
    began = time.monotonic()
    answer = send(system, {"Prefer": "wait=0"}, photo(1200, 900), **SLOW)
    assert answer.status_code == 202
    assert time.monotonic() - began < 5
    assert answer.headers["preference-applied"] == "wait=0"
    order = answer.json()["id"]
    eventually(lambda: _ended(system, order), 30)
    quick = send(system, {"Prefer": "respond-async, wait=30"}, photo(40, 30))
    assert quick.status_code == 200
    assert quick.headers["preference-applied"] == "respond-async, wait=30"


def test_a_failed_order_says_why(system: World) -> None:
    answer = send(system, {"Prefer": "respond-async"}, photo()[:20_000])
    assert answer.status_code == 202
    failed = eventually(lambda: _ended(system, answer.json()["id"]))
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "damaged-image"


def events(system: World, order: str) -> list[tuple[str, dict[str, Any]]]:
    """Every event of an order's stream, to its end."""
    found = []
    there = f"/api/v1/orders/{order}/events"
    with system.http.stream("GET", there, headers={"Last-Event-ID": "7"}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        name = ""
        for line in answer.iter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                found.append((name, json.loads(value)))
    return found


def test_an_order_can_be_watched(system: World) -> None:
    formats = [{"format": "webp"}, {"format": "avif", "options": {"effort": 6}}]
    picture = photo(1400, 1000)
    fields = {"resizeOptions": [{"width": 1400}, {"width": 700}], "formatOptions": formats}
    order = send(system, {"Prefer": "respond-async"}, picture, **fields).json()["id"]
    told = events(system, order)
    names = [name for name, _ in told]
    assert (names[0], names[-1]) == ("accepted", "done")
    assert set(names[1:-1]) == {"rendering"}
    assert told[0][1]["status"] == "pending"
    steps = [value for name, value in told if name == "rendering"]
    assert steps == sorted(steps, key=lambda step: step["done"])
    assert {step["of"] for step in steps} == {6}
    assert told[-1][1] == system.http.get(f"/api/v1/orders/{order}").json()
    assert events(system, order) == [told[-1]]


def test_a_failed_order_ends_its_stream(system: World) -> None:
    order = send(system, {"Prefer": "respond-async"}, photo()[:20_000]).json()["id"]
    name, value = events(system, order)[-1]
    assert (name, value["error"]["code"]) == ("failed", "damaged-image")


def test_an_order_of_nobody_cannot_be_watched(system: World) -> None:
    assert system.http.get("/api/v1/orders/none/events").status_code == 404


def test_a_key_of_the_api_is_made_once_and_told_again_only_to_who_asked(system: World) -> None:
    headers, wanted = keyed(), {"name": "once", "permissions": ["images-read"]}
    first = system.http.post("/api/v1/keys", json=wanted, headers=headers)
    spaced = json.dumps(wanted, indent=2).encode()
    again = system.http.post(
        "/api/v1/keys", content=spaced, headers=headers | {"Content-Type": "application/json"}
    )
    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    keys = system.http.get("/api/v1/keys").json()["keys"]
    assert [key["name"] for key in keys].count("once") == 1
    secret = first.json()["key"]["secret"].encode()
    for file in system.data.glob("calotype.sqlite*"):
        assert secret not in file.read_bytes()
    other = system.http.post("/api/v1/keys", json={"name": "twice"}, headers=headers)
    assert other.status_code == 422


def test_an_answer_that_was_lost_is_not_made_up(system: World) -> None:
    headers, wanted = keyed(), {"name": uuid.uuid4().hex}
    assert system.http.post("/api/v1/keys", json=wanted, headers=headers).is_success
    file = system.data / "calotype.sqlite"
    with contextlib.closing(pysqlite3.dbapi2.connect(str(file), timeout=10)) as database, database:
        lose = "UPDATE replay SET status = NULL, body = NULL WHERE key = ?"
        assert database.execute(lose, [headers["Idempotency-Key"]]).rowcount == 1
    again = system.http.post("/api/v1/keys", json=wanted, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "answer-lost")
    assert system.http.get("/api/v1/keys").text.count(wanted["name"]) == 1


def test_a_gallery_asked_for_twenty_times_at_once_is_one(system: World) -> None:
    headers, wanted = keyed(), {"name": f"g-{uuid.uuid4().hex}"}

    def create(_: int) -> httpx2.Response:
        return system.http.post("/api/v1/galleries", json=wanted, headers=headers)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(create, range(20)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.is_success}) == 1
    found = system.http.get("/api/v1/galleries", params={"limit": 200})
    assert found.text.count(wanted["name"]) == 1


def test_a_refused_body_leaves_its_key_free(system: World) -> None:
    headers = keyed()
    refused = system.http.post("/api/v1/keys", json={"nome": "x"}, headers=headers)
    assert refused.status_code == 400
    assert system.http.post("/api/v1/keys", json={"name": "x"}, headers=headers).status_code == 200


def test_a_body_that_is_too_long_is_refused(system: World) -> None:
    for headers in ({}, keyed()):
        answer = system.http.post("/api/v1/keys", json={"name": "x" * 1_100_000}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


@pytest.fixture(params=["sqlite", "postgres"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A system of this test's own, on each database."""
    on_postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if on_postgres else ""
    with world(tmp_path / "data", CALOTYPE_DATABASE_URL=url) as made:
        yield made


def left(system: World) -> int:
    """The credits that the API says are left."""
    body = system.http.get("/api/v1/images").json()
    return int(body["accountStatistics"]["remainingCredits"])


def test_after_a_kill_the_same_request_finds_its_order(own: World) -> None:
    headers, picture = keyed(), photo(1400, 1000)

    def interrupted() -> None:
        with contextlib.suppress(httpx2.TransportError):
            send(own, headers, picture, **SLOW)

    lost = threading.Thread(target=interrupted)
    lost.start()
    eventually(lambda: left(own) == 9999, 20)  # the order is accepted, nobody was answered
    own.kill()
    lost.join()
    own.start()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: send(own, headers, picture, **SLOW), range(4)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    again = send(own, headers, picture, **SLOW)
    assert again.status_code == 200
    assert again.headers["idempotency-replayed"] == "true"
    assert {one.content for one in answers if one.is_success} == {again.content}
    assert left(own) == 9999
    listed = own.http.get("/api/v1/images").json()
    assert [image["id"] for image in listed["data"]] == [again.json()["data"][0]["id"]]
    reused = send(own, headers, photo(8, 8))
    assert (reused.status_code, reused.json()["code"]) == (422, "key-reused")


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system with limits that a test reaches quickly."""
    with world(
        tmp_path_factory.mktemp("limited") / "data",
        CALOTYPE_RATE_LIMIT="20/minute",
        CALOTYPE_RATE_LIMIT_PIXELS="2/hour",
        CALOTYPE_RATE_LIMIT_STRANGERS="5/minute",
    ) as made:
        yield made


def test_every_answer_to_a_key_tells_how_it_stands(limited: World) -> None:
    key = limited.run("keys", "create", "--json")["key"]
    headers = {"Authorization": f"Bearer {key}"}
    answers = [
        limited.http.get("/api/v1/images", headers=headers),
        limited.http.get("/api/v1/images/none", headers=headers),
        limited.http.delete("/api/v1/images/none", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 403]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["19", "18", "17"]
    for answer in answers:
        assert answer.headers["ratelimit-limit"] == "20"
        assert 1 <= int(answer.headers["ratelimit-reset"]) <= 60
        assert answer.headers["ratelimit-policy"] == '"requests";q=20;w=60'
        assert answer.headers["ratelimit"].startswith('"requests";r=')
    codes = [limited.http.get("/api/v1/images", headers=headers).status_code for _ in range(20)]
    assert codes == [200] * 17 + [429] * 3
    refused = limited.http.get("/api/v1/images", headers=headers)
    assert refused.json()["code"] == "too-many-requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert limited.http.get("/api/v1/images").status_code == 200  # another key's own


def test_one_upload_too_many_is_refused_before_its_body_is_read(limited: World) -> None:
    assert [limited.upload(photo(40, 30)).status_code for _ in range(2)] == [200, 200]
    where = urlsplit(limited.api)
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        line.sendall(
            b"POST /api/v1/images HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n"
            b"Authorization: Bearer " + limited.key.encode() + b"\r\n\r\n"
        )
        answer = line.recv(4096)
    assert answer.split()[1] == b"429"
    assert b"retry-after: " in answer.lower()
    assert limited.http.get("/api/v1/images").status_code == 200


def test_who_guesses_keys_is_slowed_down_and_nobody_else(limited: World) -> None:
    assert limited.http.get("/api/v1/images").status_code == 200
    there = f"{limited.api}/api/v1/images"
    codes = [
        httpx2.get(there, headers={"Authorization": f"Bearer sk_{n}"}, trust_env=False).status_code
        for n in range(8)
    ]
    assert codes == [401] * 5 + [429] * 3
    assert limited.http.get("/api/v1/images").status_code == 200
    assert httpx2.get(f"{limited.api}/healthz", trust_env=False).status_code == 200


def test_a_conversion_sent_twice_is_paid_once(system: World) -> None:
    before, headers, picture = system.credits(), keyed(), photo(200, 150)
    form = {"formatOptions": '{"format": "png"}'}

    def convert(file: bytes, headers: dict[str, str] = headers) -> httpx2.Response:
        files = {"image": ("a.jpg", file, "image/jpeg")}
        return system.http.post("/api/v1/convert", data=form, files=files, headers=headers)

    assert convert(picture[:2000]).status_code == 400
    assert system.credits() == before
    first, again = convert(picture), convert(picture)
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert again.headers["content-disposition"] == first.headers["content-disposition"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert convert(photo(150, 200)).status_code == 422
    assert system.credits() == before - 1
    assert convert(picture, {}).status_code == 200
    assert system.credits() == before - 2
