"""Bad input: the right status, an error that names the field, and nothing taken or left."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.system.drawn import photo
from tests.system.world import World, eventually, world

REFUSED = [
    ("not an image", b"hello" * 100, {}, 400, "not-an-image", None),
    ("truncated", photo()[:20_000], {}, 400, "damaged-image", None),
    ("empty", b"", {}, 400, "empty-file", None),
    ("bad JSON", photo(), {"resizeOptions": "{width"}, 400, "invalid-fields", "resizeOptions"),
    (
        "zero",
        photo(),
        {"resizeOptions": [{}, {"width": 0}]},
        400,
        "invalid-fields",
        "resizeOptions[1].width",
    ),
    (
        "negative",
        photo(),
        {"resizeOptions": {"height": -1}},
        400,
        "invalid-fields",
        "resizeOptions.height",
    ),
    (
        "unknown option",
        photo(),
        {"formatOptions": [{"format": "webp", "options": {"qualty": 1}}]},
        400,
        "invalid-fields",
        "formatOptions[0].options.qualty",
    ),
    (
        "out of range",
        photo(),
        {"formatOptions": {"format": "avif", "options": {"quality": 101}}},
        400,
        "invalid-fields",
        "formatOptions.options.quality",
    ),
    (
        "unknown format",
        photo(),
        {"formatOptions": {"format": "bmp"}},
        400,
        "invalid-fields",
        "formatOptions.format",
    ),
    ("ratio", photo(), {"ratio": "nan"}, 400, "invalid-fields", "ratio"),
    ("unknown field", photo(), {"formats": []}, 400, "invalid-fields", "formats"),
    ("unknown bucket", photo(), {"bucketKey": "nope"}, 400, "invalid-fields", "bucketKey"),
    ("name", photo(), {"name": "x" * 257}, 400, "invalid-fields", "name"),
    ("description", photo(), {"description": "x" * 4097}, 400, "invalid-fields", "description"),
    (
        "too large a result",
        photo(),
        {"resizeOptions": {"width": 90_000}},
        422,
        "image-too-large",
        None,
    ),
]


@pytest.mark.parametrize(
    ("picture", "fields", "status", "code", "field"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_a_refused_upload_costs_nothing_and_leaves_nothing(
    system: World,
    picture: bytes,
    fields: dict[str, object],
    status: int,
    code: str,
    field: str | None,
) -> None:
    before = system.credits()
    answer = system.upload(picture, **fields)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert body["error"] == body["message"]
    assert body["requestId"] == answer.headers["x-request-id"]
    assert [problem["field"] for problem in body["details"]][:1] == ([field] if field else [])
    assert system.credits() == before
    eventually(lambda: not system.staging())


def test_a_missing_file_is_named(system: World) -> None:
    answer = system.http.post("/api/v1/images", files={"name": (None, "x")})
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "image"


def test_a_body_that_is_no_form_is_refused(system: World) -> None:
    assert system.http.post("/api/v1/images", json={}).status_code == 400
    multipart = {"Content-Type": "multipart/form-data"}
    assert system.http.post("/api/v1/images", content=b"x", headers=multipart).status_code == 400


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system with limits that a test can reach quickly."""
    with world(
        tmp_path_factory.mktemp("small") / "data",
        CALOTYPE_MAX_FILE_BYTES="100000",
        CALOTYPE_READ_SECONDS="1",
        CALOTYPE_FREE_CREDITS="3",
        CALOTYPE_MAX_SIDE="500",
    ) as made:
        yield made


def test_a_file_over_the_limit_is_refused(small: World) -> None:
    large = b"\xff\xd8\xff" + bytes(200_000)
    answer = small.upload(large)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert not small.staging()


def test_a_chunked_file_over_the_limit_is_refused(small: World) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    lines = [b"%x\r\n%s\r\n" % (len(part), part) for part in (head, bytes(60_000), bytes(60_000))]
    status = _raw(small, b"Transfer-Encoding: chunked\r\n", b"".join(lines))
    assert status == 413
    assert not small.staging()


def test_a_body_that_never_ends_is_given_up(small: World) -> None:
    assert _raw(small, b"Content-Length: 5000\r\n", b"--x\r\n") == 408
    assert not small.staging()


def _raw(system: World, headers: bytes, body: bytes) -> int:
    """The status of an upload sent byte for byte and left open."""
    where = urlsplit(system.api)
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        line.sendall(
            b"POST /api/v1/images HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n"
            b"Authorization: Bearer " + system.key.encode() + b"\r\n" + headers + b"\r\n" + body
        )
        return int(line.recv(1000).split()[1])


def test_who_has_no_key_is_told_how_to_send_one(system: World) -> None:
    for header in ({}, {"Authorization": "Bearer sk_wrong"}, {"Authorization": "sk_wrong"}):
        answer = httpx2.post(f"{system.api}/api/v1/images", headers=header, trust_env=False)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthorized"


def test_a_key_without_the_permission_is_told_which_one_it_lacks(system: World) -> None:
    weak = system.run("keys", "create", "--json")["key"]
    answer = httpx2.post(
        f"{system.api}/api/v1/images",
        headers={"Authorization": f"Bearer {weak}"},
        files={"image": photo()},
        trust_env=False,
    )
    assert answer.status_code == 403
    assert "images-create" in answer.json()["error"]


def test_a_revoked_key_is_a_stranger(system: World) -> None:
    made = system.run("keys", "create", "--permission", "all", "--json")
    header = {"Authorization": f"Bearer {made['key']}"}
    there = f"{system.api}/api/v1/images/none"
    assert httpx2.get(there, headers=header, trust_env=False).status_code == 404
    system.run("keys", "revoke", made["id"], "--json")
    assert httpx2.get(there, headers=header, trust_env=False).status_code == 401


def test_the_limits_of_a_picture_can_be_set(small: World) -> None:
    answer = small.upload(photo(64, 64), resizeOptions={"width": 501})
    assert (answer.status_code, answer.json()["code"]) == (422, "image-too-large")


def test_an_account_without_credits_is_refused_before_any_work(small: World) -> None:
    answer = small.upload(photo(64, 64), formatOptions=[{"format": f} for f in ("webp", "png")])
    assert answer.status_code == 200
    answer = small.upload(photo(64, 64), formatOptions=[{"format": f} for f in ("webp", "png")])
    assert (answer.status_code, answer.json()["code"]) == (402, "out-of-credits")
    assert small.credits() == 1
    assert not small.staging()


def test_somebody_elses_image_does_not_exist(system: World) -> None:
    image = system.upload(photo(64, 64)).json()["data"][0]["id"]
    system.run("accounts", "create", "stranger", "--json")
    key = system.run("keys", "create", "--account", "stranger", "--permission", "all", "--json")
    header = {"Authorization": f"Bearer {key['key']}"}
    there = f"{system.api}/api/v1/images/{image}"
    assert httpx2.get(there, headers=header, trust_env=False).status_code == 404
    assert httpx2.delete(there, headers=header, trust_env=False).status_code == 404
    assert system.http.get(f"/api/v1/images/{image}").status_code == 200


def test_errors_of_routing_speak_like_all_others(system: World) -> None:
    for method, path, status in (("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/images", 405)):
        answer = system.http.request(method, path)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "message", "code", "details", "requestId"}


def test_a_path_with_a_nul_in_it_names_nothing(system: World) -> None:
    for path in ("/api/v1/images/%00", "/api/v1/orders/a%00b", "/g/%00", "/api/v1/galleries/%00"):
        assert system.http.get(path).status_code == 404


def test_a_clients_own_request_id_is_kept(system: World) -> None:
    answer = system.http.get("/api/v1/images/none", headers={"X-Request-Id": "trace-12345"})
    assert answer.json()["requestId"] == "trace-12345"
    assert json.loads(answer.text)["requestId"] == answer.headers["x-request-id"]
