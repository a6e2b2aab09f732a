"""A log tells whose work was done, and nothing that is somebody's secret."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.gemini import gemini_server, said
from tests.pictures import jpeg
from tests.system.world import CALOTYPE, World, clean_environment, eventually, world

GEMINI_KEY = "AIzaSy-this-is-the-key-of-these-logs"
SECRET = "the-secret-of-the-installation-of-these-logs"
PROMPT = "a portrait of my grandmother Zenobia"
NAME = "Zenobias-birthday.jpg"
ALIAS, PASSWORD = "zenobia", "zenobias own password"
REPLAY = "replay-zenobia-4711"
BUCKET = {
    "accessKey": "AKIAZENOBIA000000000",
    "secretKey": "zenobias+secret/key+of+her+bucket0000000",
}
LOGIN = "guest:zenobias-guest-password"
QUERY = "zenobias-download-token"


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[str]]]:
    """A system that was given every kind of secret, and all that must not be in its log."""
    folder = tmp_path_factory.mktemp("logs")
    with (
        gemini_server(jpeg(64, 64)) as gemini,
        world(
            folder / "data",
            CALOTYPE_GEMINI_KEY=GEMINI_KEY,
            CALOTYPE_GEMINI_URL=gemini.url,
            CALOTYPE_SECRET=SECRET,
            CALOTYPE_LOG_LEVELS="gateway=debug,edge=debug,pipeline=debug",
            CALOTYPE_ACCESS_LOG="gateway,edge",
        ) as made,
    ):
        refusal = {"code": 400, "message": f"no: {PROMPT}", "status": "INVALID_ARGUMENT"}
        gemini.will(said({"error": refusal}, 400))
        secrets = [made.key, GEMINI_KEY, SECRET, "enobia", *BUCKET.values(), LOGIN, QUERY]
        secrets += [*_drive(made)]
        yield made, secrets


def _drive(made: World) -> Iterator[str]:
    """Put a secret wherever one can go; those that were made on the way."""
    url = _upload(made)
    yield from _sign(made, url)
    yield _log_in(made)
    for source in (f"https://{LOGIN}@192.0.2.1/a.jpg", f"https://192.0.2.1/a.jpg?t={QUERY}"):
        made.http.post("/api/v1/images", data={"url": source, "resizeOptions": '{"width":9}'})
    bucket = {"key": "hers", "endpoint": "https://192.0.2.1", "bucket": "hers", **BUCKET}
    made.http.post("/api/v1/buckets", json=bucket, headers={"Idempotency-Key": REPLAY})
    made.generate(PROMPT, resizeOptions={"width": 9})
    made.http.get(f"/api/v1/nothing?token={QUERY}", headers={"Authorization": f"Bearer {QUERY}"})


def _upload(made: World) -> str:
    answer = made.http.post(
        "/api/v1/images",
        headers={"X-Request-Id": "request-that-works", "Idempotency-Key": REPLAY},
        data={"resizeOptions": '{"width": 40}'},
        files={"image": (NAME, jpeg(60, 40), "image/jpeg")},
    )
    assert answer.status_code == 200, answer.text
    broken = jpeg(600, 400)[:-9000]
    refused = made.http.post(
        "/api/v1/images",
        headers={"X-Request-Id": "request-that-fails"},
        data={"resizeOptions": '{"width": 40}'},
        files={"image": (NAME, broken, "image/jpeg")},
    )
    assert refused.json()["requestId"] == refused.headers["X-Request-Id"] == "request-that-fails"
    made.http.delete(
        f"/api/v1/images/{answer.json()['images'][0]['id']}",
        headers={"X-Request-Id": "request-that-deletes"},
    )
    return str(answer.json()["simpleData"][0]["variants"]["webp"])


def _sign(made: World, url: str) -> Iterator[str]:
    """A signed address; nobody else may use it."""
    done = made.http.post("/api/v1/urls/keys", json={"name": "hers"})
    yield str(done.json().get("secret", made.key))
    signature = "ZenobiasSignatureZenobiasSignature000000000"
    path = f"{urlsplit(url).path}?w=20&k=000000000000&s={signature}"
    httpx2.get(f"{made.edge}{path}", headers={"X-Request-Id": "request-at-edge"}, trust_env=False)
    yield signature


def _log_in(made: World) -> str:
    subprocess.run(
        [CALOTYPE, "users", "create", ALIAS, "--data", made.data],
        input=f"{PASSWORD}\n",
        text=True,
        capture_output=True,
        check=True,
        env=clean_environment() | made.environment,
    )
    body = {"alias": ALIAS, "pass": PASSWORD}
    answer = made.http.post("/api/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    made.http.post("/api/auth/login", json=body | {"pass": f"{PASSWORD}?"})
    return str(answer.json()["data"]["access_token"])


def lines(made: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.log().splitlines()]


def of(made: World, request_id: str, role: str) -> list[dict[str, Any]]:
    told = lines(made)
    return [one for one in told if (one.get("request_id"), one["role"]) == (request_id, role)]


def test_no_secret_is_in_any_line(driven: tuple[World, list[str]]) -> None:
    made, secrets = driven
    eventually(lambda: of(made, "request-at-edge", "edge"))
    assert len(secrets) > 8
    told = made.log().splitlines()
    assert [line for line in told if any(one in line for one in secrets)] == []


def test_every_line_is_json_and_says_when_who_and_how_bad(
    driven: tuple[World, list[str]],
) -> None:
    for one in lines(driven[0]):
        assert {"event", "timestamp", "level", "role", "logger"} <= one.keys(), one


def test_a_request_and_its_order_are_in_the_lines_of_every_role(
    driven: tuple[World, list[str]],
) -> None:
    made, _ = driven
    for request in ("request-that-works", "request-that-fails"):
        (access,) = eventually(lambda request=request: of(made, request, "gateway"))
        assert (access["method"], access["path"]) == ("POST", "/api/v1/images")
        worked = eventually(lambda request=request: of(made, request, "pipeline"))
        assert {len(one["order_id"]) for one in worked} == {36}
    assert of(made, "request-that-fails", "pipeline")[-1]["event"] == "order failed"
    purged = eventually(lambda: of(made, "request-that-deletes", "edge"))
    assert purged[0]["event"] == "purged"


def test_both_access_logs_tell_method_path_status_size_and_time_but_no_person(
    driven: tuple[World, list[str]],
) -> None:
    made, _ = driven
    eventually(lambda: of(made, "request-at-edge", "edge"))
    for role in ("gateway", "edge"):
        answered = [one for one in lines(made) if (one["event"], one["role"]) == ("answered", role)]
        assert answered
        for one in answered:
            assert {"method", "path", "status", "size", "seconds"} <= one.keys()
            assert "?" not in one["path"]
            assert "127.0.0.1" not in json.dumps(one)


def test_levels_are_a_role_s_own_and_an_access_log_can_be_turned_off(tmp_path: Path) -> None:
    quiet = {"CALOTYPE_LOG_LEVELS": "pipeline=warning", "CALOTYPE_ACCESS_LOG": "none"}
    with world(tmp_path / "data", **quiet) as made:
        assert made.upload(jpeg(60, 40), resizeOptions={"width": 9}).status_code == 200
        made.stop()
        told = lines(made)
    assert [one for one in told if one["role"] == "pipeline"] == []
    assert [one for one in told if one["event"] == "answered"] == []
    assert [one for one in told if one["event"] == "stopping"] != []
