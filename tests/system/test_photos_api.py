"""The photo API over HTTP: every command of its guide, what clients send, and what goes wrong."""

import io
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.system.drawn import photo, size_of
from tests.system.world import CALOTYPE, World, eventually, world

PASSWORD = "correct horse"
FIELDS = {"id", "created", "body", "alt_text", "filename", "size", "url", "album"}
JSON = "application/json; charset=UTF-8"
UPLOAD, LIST = "/api/photos/upload", "/api/me/photos"


def users(system: World, *command: str, said: str = PASSWORD) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [CALOTYPE, "users", *command, "--data", system.data],
        input=f"{said}\n",
        capture_output=True,
        text=True,
        check=False,
    )


def client(system: World, authorization: str = "") -> httpx2.Client:
    headers = {"Authorization": authorization} if authorization else {}
    return httpx2.Client(base_url=system.api, headers=headers, trust_env=False, timeout=60)


def log_in(system: World, alias: str, password: str = PASSWORD) -> httpx2.Response:
    body = {"alias": alias, "pass": password}
    return httpx2.post(f"{system.api}/api/auth/login", json=body, trust_env=False, timeout=60)


def is_good(answer: httpx2.Response, status: int = 200) -> Any:
    """The data of an answer that is what the guide says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == JSON
    body = answer.json()
    assert set(body) == {"code", "data"}
    assert body["code"] == status
    assert type(body["code"]) is int
    return body["data"]


def is_bad(answer: httpx2.Response, status: int, words: str = "") -> None:
    """An error that is what the guide says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == JSON
    body = answer.json()
    assert set(body) == {"code", "error_msg"}
    assert body["code"] == status
    assert type(body["code"]) is int
    assert words in body["error_msg"]


def upload(http: httpx2.Client, data: bytes, name: str = "photo.jpeg", **fields: str) -> Any:
    files = {"file": (name, data, "application/octet-stream")}
    return is_good(http.post(UPLOAD, files=files, data=fields), 201)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system with a user, who may try as often as the tests do."""
    data = tmp_path_factory.mktemp("photos") / "data"
    with world(data, CALOTYPE_RATE_LIMIT_LOGINS="") as made:
        assert users(made, "create", "Matt").returncode == 0
        yield made


@pytest.fixture(scope="module")
def token(home: World) -> str:
    data = is_good(log_in(home, "matt"))
    assert data["user"]["username"] == "matt"
    return str(data["access_token"])


@pytest.fixture
def matt(home: World, token: str) -> Iterator[httpx2.Client]:
    with client(home, token) as http:
        yield http


# The guide's own commands; only the address and the token are ours.

GUIDE_UPLOAD = """\
curl "$API/api/photos/upload" \\
  -H "Authorization: $TOKEN" \\
  -H "Content-Type: multipart/form-data" \\
  -F "file=@photo.jpeg"
"""
GUIDE_DELETE = """\
curl "$API/api/photos/$PHOTO" \\
  -X DELETE \\
  -H "Authorization: $TOKEN"
"""
LOGIN = """\
curl "$API/api/auth/login" \\
  -H "Content-Type: application/json" \\
  -d '{"alias": "matt", "pass": "correct horse"}'
"""


def shell(source: str, folder: Path, **names: str) -> tuple[int, Any]:
    """The status and the body of a command."""
    quiet = "curl() { command curl -sS --noproxy '*' --max-time 60 -w '\\n%{http_code}' \"$@\"; }\n"
    done = subprocess.run(
        ["bash", "-c", quiet + source],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **names},
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


def test_every_command_of_the_guide_works(home: World, tmp_path: Path) -> None:
    data = photo(900, 600)
    (tmp_path / "photo.jpeg").write_bytes(data)
    status, body = shell(LOGIN, tmp_path, API=home.api)
    assert (status, body["code"]) == (200, 200)
    names = {"API": home.api, "TOKEN": body["data"]["access_token"]}
    status, body = shell(GUIDE_UPLOAD, tmp_path, **names)
    assert (status, body["code"]) == (201, 201)
    made = body["data"]
    assert set(made) == FIELDS
    assert re.fullmatch(r"[A-Za-z0-9]{8}", made["id"])
    assert made["url"] == f"{home.edge}/{made['id']}.jpeg"
    assert (made["body"], made["filename"]) == (None, "photo.jpeg")
    served = httpx2.get(made["url"], trust_env=False)
    assert len(served.content) == made["size"]
    assert size_of(served.content) == ("JPEG", 900, 600)
    for code, told in ((200, "data"), (410, "error_msg")):
        status, body = shell(GUIDE_DELETE, tmp_path, **names, PHOTO=made["id"])
        assert (status, body["code"]) == (code, code)
        assert told in body
    gone = eventually(lambda: _if_gone(made["url"]))
    assert gone.status_code == 410


def _if_gone(url: str) -> httpx2.Response | None:
    answer = httpx2.get(url, trust_env=False)
    return answer if answer.status_code != 200 else None


def test_a_token_may_be_spelled_three_ways_and_be_a_key(home: World, token: str) -> None:
    for spelled in (token, f"Token {token}", f"Bearer {token}", f"token  {token}", home.key):
        with client(home, spelled) as http:
            is_good(http.get(LIST))
    for wrong in ("", "Token", f"Basic {token}", token[:-1], token.upper(), "sk_wrong", "x y z"):
        with client(home, wrong) as http:
            is_bad(http.get(LIST), 401, "valid user token")


def test_a_token_of_the_photo_api_opens_nothing_else(home: World, token: str) -> None:
    with client(home, f"Bearer {token}") as http:
        answer = http.get("/api/v1/images")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_a_key_needs_the_permissions_of_images(home: World) -> None:
    made = home.run("keys", "create", "--json")  # it may read
    with client(home, made["key"]) as http:
        is_good(http.get(LIST))
        is_bad(http.delete("/api/photos/aBCd5678"), 403, "images-delete")
        is_bad(http.post(UPLOAD, files={"file": photo(64, 48)}), 403, "images-create")
        is_bad(http.delete("/api/auth/me"), 403)


def test_who_logs_out_is_out(home: World) -> None:
    first, second = (is_good(log_in(home, " MATT"))["access_token"] for _ in range(2))
    with client(home, first) as http:
        answer = http.delete("/api/auth/me")
        assert (answer.status_code, answer.content) == (204, b"")
        is_bad(http.get(LIST), 401)
    with client(home, second) as http:
        is_good(http.get(LIST))


def test_a_log_in_does_not_say_what_was_wrong(home: World) -> None:
    answers = [log_in(home, "matt", "wrong horse"), log_in(home, "nobody", "wrong horse")]
    for answer in answers:
        is_bad(answer, 401, "alias or the password")
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"alias": "matt"}', b'{"alias": 1, "pass": "x"}', b"\xff"],
)
def test_a_log_in_that_cannot_be_read_is_a_bad_request(home: World, body: bytes) -> None:
    with client(home) as http:
        is_bad(http.post("/api/auth/login", content=body), 400)
        is_bad(http.post("/api/auth/login", content=body + b"[" * 5000), 400)


def test_another_password_ends_every_token(home: World) -> None:
    assert users(home, "create", "ann").returncode == 0
    with client(home, is_good(log_in(home, "ann"))["access_token"]) as http:
        assert users(home, "password", "ann", said="a new password").returncode == 0
        is_bad(http.get(LIST), 401)
    is_bad(log_in(home, "ann"), 401)
    is_good(log_in(home, "ann", "a new password"))
    assert users(home, "delete", "ann").returncode == 0
    is_bad(log_in(home, "ann", "a new password"), 401)
    assert users(home, "create", "ann", said="short").returncode == 2
    assert "ann" not in users(home, "list").stdout


def test_log_ins_are_limited_by_alias_and_by_address(tmp_path: Path) -> None:
    with world(tmp_path / "data", CALOTYPE_RATE_LIMIT_LOGINS="2/hour") as made:
        for _ in range(2):
            is_bad(log_in(made, "matt", "guess"), 401)
        refused = log_in(made, "matt", "guess")
        is_bad(refused, 429)
        assert int(refused.headers["retry-after"]) > 0
        is_bad(log_in(made, "somebody else", "guess"), 429)
        assert "guess" not in made.log()


def test_a_photo_keeps_what_was_said_of_it(matt: httpx2.Client) -> None:
    name = "Häfen & Boote (2).JPG"
    made = upload(matt, photo(), name, body="Two boats", alt_text="A harbour", other="ignored")
    assert (made["filename"], made["body"], made["alt_text"]) == (name, "Two boats", "A harbour")
    assert made["url"].endswith(".jpg")
    (listed,) = [one for one in is_good(matt.get(LIST)) if one["id"] == made["id"]]
    assert listed == made


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("GIF", "gif"), ("WEBP", "webp")])
def test_a_photo_keeps_its_format_whatever_it_is_called(
    matt: httpx2.Client, kind: str, extension: str
) -> None:
    data = photo(160, 120, kind)
    made = upload(matt, data, "picture.jpeg")
    assert made["url"].endswith(f"{made['id']}.{extension}")
    served = httpx2.get(made["url"], trust_env=False)
    assert served.headers["content-type"] == f"image/{extension}"
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(served.content)) as after:
        assert before.convert("RGB").tobytes() == after.convert("RGB").tobytes()


def test_a_list_may_be_asked_for_in_many_ways(matt: httpx2.Client) -> None:
    made = [upload(matt, photo(64, 48))["id"] for _ in range(3)]
    answers = [
        matt.get(LIST),
        matt.post(LIST),
        matt.get(LIST, headers={"Content-Type": "application/json"}),
        matt.post(LIST, headers={"Content-Type": "application/json"}),
        matt.post(LIST, headers={"Content-Type": "application/json"}, content=b""),
        matt.post(LIST, json={}),
    ]
    for answer in answers:
        assert [one["id"] for one in is_good(answer)][:3] == made[::-1]
    second = is_good(matt.get(LIST, params={"page": 2, "limit": 1}))
    assert [one["id"] for one in second] == [made[1]]
    assert is_good(matt.get(LIST, params={"page": 1_000_000})) == []
    is_bad(matt.get(LIST, params={"page": 0}), 400, "page")


def test_a_photo_is_an_image_and_costs_a_credit(home: World, matt: httpx2.Client) -> None:
    before, used = home.credits(), _storage(home)
    made = upload(matt, photo(300, 200), body="Caption")
    assert home.credits() == before - 1
    assert _storage(home) == used + made["size"]
    image = home.http.get("/api/v1/images", params={"limit": 1}).json()["data"][0]
    assert (image["originalName"], image["description"]) == ("photo.jpeg", "Caption")
    (variant,) = [one for one in image["metadata"] if one["objectKey"]]
    assert f"{image['urlBase']}/{variant['objectKey']}" == made["url"]
    words = {"description": (None, "Other")}
    changed = home.http.patch(f"/api/v1/images/{image['id']}", files=words)
    assert changed.status_code == 200
    assert is_good(matt.get(LIST))[0]["body"] == "Other"
    file = {"image": photo()}
    refused = home.http.patch(f"/api/v1/images/{image['id']}", files=file)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert home.http.delete(f"/api/v1/images/{image['id']}").status_code == 200
    is_bad(matt.delete(f"/api/photos/{made['id']}"), 410)
    assert eventually(lambda: _if_gone(made["url"])).status_code == 410
    assert _storage(home) == used


def _storage(home: World) -> int:
    answer = home.http.get("/api/v1/images", params={"limit": 1}).json()
    return int(answer["accountStatistics"]["storageUsed"])


def test_an_image_can_be_made_of_a_photo_by_its_address(home: World, matt: httpx2.Client) -> None:
    made = upload(matt, photo(300, 200))
    answer = home.http.post("/api/v1/images", files={"url": (None, made["url"])})
    assert answer.status_code == 200, answer.text


def test_a_photo_goes_by_delete_and_by_post(matt: httpx2.Client) -> None:
    for method in ("DELETE", "POST"):
        made = upload(matt, photo(64, 48))
        assert is_good(matt.request(method, f"/api/photos/{made['id']}")) == {}
        is_bad(matt.request(method, f"/api/photos/{made['id']}"), 410)
        assert made["id"] not in {one["id"] for one in is_good(matt.get(LIST))}


def test_nobody_deletes_what_is_somebody_elses(home: World, matt: httpx2.Client) -> None:
    made = upload(matt, photo(64, 48))
    home.run("accounts", "create", "other", "--json")
    key = home.run("keys", "create", "--account", "other", "--permission", "all", "--json")["key"]
    with client(home, key) as http:
        is_bad(http.delete(f"/api/photos/{made['id']}"), 404)
        assert is_good(http.get(LIST)) == []
    assert httpx2.get(made["url"], trust_env=False).status_code == 200


BAD_FORMS: dict[str, Any] = {
    "no boundary": {"headers": {"Content-Type": "multipart/form-data"}, "content": b"x"},
    "no form": {"json": {"file": "x"}},
    "nothing": {},
    "no file": {"data": {"body": "x"}, "files": {"other": (None, "x")}},
    "another part": {"files": {"image": ("photo.jpeg", photo(), "image/jpeg")}},
    "an empty file": {"files": {"file": ("photo.jpeg", b"", "image/jpeg")}},
    "no image": {"files": {"file": ("photo.jpeg", b"Once upon a time", "image/jpeg")}},
    "half an image": {"files": {"file": ("photo.jpeg", photo()[:9000], "image/jpeg")}},
    "two files": {"files": [("file", photo()), ("file", photo())]},
    "a long caption": {"files": {"file": photo()}, "data": {"body": "x" * 4097}},
    "a NUL": {"files": {"file": photo()}, "data": {"alt_text": "a\0b"}},
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_bad_upload_is_a_bad_request_and_costs_nothing(
    home: World, matt: httpx2.Client, name: str
) -> None:
    before = home.credits()
    is_bad(matt.post(UPLOAD, **BAD_FORMS[name]), 400)
    assert home.credits() == before
    eventually(lambda: not home.staging())


def test_an_account_without_credits_is_told_so(home: World) -> None:
    home.run("accounts", "create", "poor", "--json")
    home.run("accounts", "credit", "poor", "-10000", "--json")
    key = home.run("keys", "create", "--account", "poor", "--permission", "all", "--json")["key"]
    with client(home, key) as http:
        is_bad(http.post(UPLOAD, files={"file": photo()}), 402, "credits")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/photos/upload", 405),
        ("PUT", "/api/photos/upload", 405),
        ("PATCH", "/api/photos/aBCd5678", 405),
        ("DELETE", "/api/me/photos", 405),
        ("GET", "/api/auth/login", 405),
        ("GET", "/api/photos", 404),
        ("GET", "/api/me", 404),
        ("POST", "/api/me/photos/x/y", 404),
        ("POST", "/api/auth", 404),
        ("DELETE", "/api/photos/aBCd5678", 404),
        ("POST", "/api/photos/%00", 404),
    ],
)
def test_routing_errors_are_in_the_same_voice(
    matt: httpx2.Client, method: str, path: str, status: int
) -> None:
    is_bad(matt.request(method, path), status)


def test_a_photo_is_converted_at_its_own_address(home: World, matt: httpx2.Client) -> None:
    made = upload(matt, photo(600, 400))
    key = made["url"].removeprefix(f"{home.edge}/")
    small = {"objectKey": key, "parameters": {"w": "90", "fm": "webp"}}
    signed = home.http.post("/api/v1/urls", json=small).json()["url"]
    assert signed.startswith(f"{made['url']}?")
    served = httpx2.get(signed, trust_env=False, timeout=60)
    assert size_of(served.content) == ("WEBP", 90, 60)
    is_good(matt.delete(f"/api/photos/{made['id']}"))
    assert eventually(lambda: _if_gone(signed)).status_code == 410


def test_a_photo_that_was_accepted_outlives_a_kill(tmp_path: Path) -> None:
    with world(tmp_path / "data", CALOTYPE_ANSWER_SECONDS="0.001") as made:
        before = made.credits()
        with client(made, made.key) as http:
            answer = http.post(UPLOAD, files={"file": photo(3000, 2000, "PNG")})
        made.kill()
        data = is_good(answer, answer.status_code)
        made.start()
        with client(made, made.key) as http:
            (listed,) = eventually(lambda: is_good(http.get(LIST)), 60)
        assert listed["id"] == data["id"]
        assert size_of(httpx2.get(listed["url"], trust_env=False).content) == ("PNG", 3000, 2000)
        assert made.credits() == before - 1
        eventually(lambda: not made.staging())


def test_a_slow_photo_is_accepted_and_listed_later(tmp_path: Path) -> None:
    """The answer does not wait for what takes longer than it may."""
    with (
        world(tmp_path / "data", CALOTYPE_ANSWER_SECONDS="0.001") as made,
        client(made, made.key) as http,
    ):
        answer = http.post(UPLOAD, files={"file": photo(3000, 2000, "PNG")})
        assert answer.status_code in (201, 202)
        data = is_good(answer, answer.status_code)
        listed = eventually(lambda: is_good(http.get(LIST)), 60)
        assert listed[0]["id"] == data["id"]
        assert listed[0]["size"]


def test_nothing_secret_is_logged(home: World, token: str) -> None:
    log = home.log()
    assert token not in log
    assert PASSWORD not in log
    assert home.key not in log
