"""Requests over HTTP: sent twice, answered later, too many, too slow."""

import concurrent.futures
import json
import uuid
from typing import Any

import httpx2
import pytest

from tests.system.drawn import photo
from tests.system.world import World, eventually

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
