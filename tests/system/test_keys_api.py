"""Keys over HTTP: made once in clear, changed, revoked; and every way to ask for too much."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.system.world import World

API = "/api/v1/keys"
FIELDS = {"id", "name", "hint", "permissions", "createdAt", "expiresAt", "revokedAt"}


def client(system: World, key: str) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.Client(base_url=system.api, headers=headers, trust_env=False)


def make(system: World, **fields: object) -> dict[str, Any]:
    made = system.http.post(API, json={"name": "laptop"} | fields)
    assert made.status_code == 200, made.text
    return dict(made.json()["key"])


def later(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
def manager(system: World) -> Iterator[httpx2.Client]:
    """A key that may manage keys and read images."""
    made = make(system, permissions=["keys-manage", "images-read"])
    with client(system, made["secret"]) as http:
        yield http


def test_a_new_key_is_shown_once_and_works_at_once(system: World) -> None:
    made = make(system, permissions=["galleries-read"], expiresAt=later(1))
    assert set(made) == FIELDS | {"secret"}
    assert made["secret"].startswith("sk_")
    assert made["secret"].endswith(made["hint"])
    with client(system, made["secret"]) as http:
        assert http.get("/api/v1/galleries").status_code == 200
        assert http.get("/api/v1/images").status_code == 403
    listed = system.http.get(API)
    assert made["secret"] not in listed.text
    assert {key: made[key] for key in FIELDS} in listed.json()["keys"]
    stored = (system.data / "calotype.sqlite").read_bytes()
    stored += (system.data / "calotype.sqlite-wal").read_bytes()
    assert made["secret"].encode() not in stored


def test_a_key_that_says_nothing_may_only_read(system: World) -> None:
    made = make(system)
    assert made["permissions"] == ["images-read", "galleries-read"]
    assert (made["expiresAt"], made["revokedAt"]) == (None, None)


def test_a_changed_key_may_do_what_it_says_now(system: World) -> None:
    made = make(system)
    there = f"{API}/{made['id']}"
    with client(system, made["secret"]) as http:
        assert http.get("/api/v1/images").status_code == 200
        changed = system.http.patch(there, json={"permissions": ["galleries-read"]})
        assert changed.json()["key"]["permissions"] == ["galleries-read"]
        assert http.get("/api/v1/images").status_code == 403
    changed = system.http.patch(there, json={"name": "phone", "expiresAt": later(2)}).json()["key"]
    assert (changed["name"], set(changed)) == ("phone", FIELDS)
    assert changed["expiresAt"].endswith("Z")
    assert system.http.patch(there, json={"expiresAt": None}).json()["key"]["expiresAt"] is None


def test_a_revoked_key_is_a_stranger_and_stays_listed(system: World) -> None:
    made = make(system)
    with client(system, made["secret"]) as http:
        answer = system.http.delete(f"{API}/{made['id']}")
        assert (answer.status_code, answer.json()) == (200, None)
        assert http.get("/api/v1/images").status_code == 401
    assert system.http.delete(f"{API}/{made['id']}").status_code == 404
    assert system.http.patch(f"{API}/{made['id']}", json={"name": "a"}).status_code == 404
    (listed,) = [k for k in system.http.get(API).json()["keys"] if k["id"] == made["id"]]
    assert listed["revokedAt"]


def test_a_key_may_revoke_itself(system: World) -> None:
    made = make(system, permissions=["keys-manage"])
    with client(system, made["secret"]) as http:
        assert http.delete(f"{API}/{made['id']}").status_code == 200
        assert http.get(API).status_code == 401


def test_no_key_gives_more_than_it_has(manager: httpx2.Client) -> None:
    body = {"name": "more", "permissions": ["images-read", "images-delete"]}
    refused = manager.post(API, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing-permission")
    assert "'images-delete'" in refused.json()["error"]
    made = manager.post(API, json={"name": "as much", "permissions": ["images-read"]})
    there = f"{API}/{made.json()['key']['id']}"
    refused = manager.patch(there, json={"permissions": ["buckets-manage"]})
    assert (refused.status_code, "'buckets-manage'" in refused.text) == (403, True)
    # The default holds galleries-read, which this key has not either.
    assert manager.post(API, json={"name": "default"}).status_code == 403


def test_no_key_outlives_its_maker(system: World) -> None:
    made = make(system, permissions=["keys-manage"], expiresAt=later(1))
    with client(system, made["secret"]) as http:
        body = {"name": "a", "permissions": ["keys-manage"]}
        assert http.post(API, json=body).status_code == 403
        assert http.post(API, json=body | {"expiresAt": later(2)}).status_code == 403
        assert http.post(API, json=body | {"expiresAt": later(0.5)}).status_code == 200
        assert http.patch(f"{API}/{made['id']}", json={"expiresAt": None}).status_code == 403


REFUSED = [
    ({}, "name"),
    ({"name": " "}, "name"),
    ({"name": "a\u0007"}, "name"),
    ({"name": 1}, "name"),
    ({"name": "x" * 257}, "name"),
    ({"name": "a", "permissions": "images-read"}, "permissions"),
    ({"name": "a", "permissions": []}, "permissions"),
    ({"name": "a", "permissions": [1]}, "permissions[0]"),
    ({"name": "a", "permissions": ["images-read", "all"]}, "permissions[1]"),
    ({"name": "a", "permissions": ["images-read"] * 65}, "permissions"),
    ({"name": "a", "expiresAt": "tomorrow"}, "expiresAt"),
    ({"name": "a", "expiresAt": 1_900_000_000}, "expiresAt"),
    ({"name": "a", "expiresAt": "2000-01-01T00:00:00Z"}, "expiresAt"),
    ({"name": "a", "expiresAt": "2090-01-01T00:00:00"}, "expiresAt"),
    ({"name": "a", "expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt"),
    ({"name": "a", "expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt"),
    ({"name": "a", "accountId": "x"}, "accountId"),
    ({"name": "a", "secret": "sk_mine"}, "secret"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_a_wrong_field_is_named_and_no_key_is_made_or_changed(
    system: World, body: dict[str, object], field: str
) -> None:
    made = make(system)
    before = system.http.get(API).json()
    answers = [system.http.post(API, json=body)]
    if body:
        answers.append(system.http.patch(f"{API}/{made['id']}", json=body))
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-fields"), answer.text
        assert answer.json()["details"][0]["field"] == field
    assert system.http.get(API).json() == before


def test_a_change_of_nothing_and_a_body_that_is_no_json_are_refused(system: World) -> None:
    there = f"{API}/{make(system)['id']}"
    assert system.http.patch(there, json={}).status_code == 400
    assert system.http.patch(there, content=b"{}").status_code == 400
    assert system.http.post(API, data={"name": "form"}).status_code == 400


def test_every_route_needs_keys_manage(system: World) -> None:
    weak = make(system, permissions=["images-read"])
    routes = [("GET", API), ("POST", API), ("PATCH", f"{API}/x"), ("DELETE", f"{API}/x")]
    with client(system, weak["secret"]) as http, client(system, "") as nobody:
        for method, path in routes:
            answer = http.request(method, path)
            assert answer.status_code == 403
            assert "'keys-manage'" in answer.json()["error"]
            assert nobody.request(method, path).status_code == 401


def test_the_keys_of_another_account_do_not_exist(system: World) -> None:
    system.run("accounts", "create", "key stranger", "--json")
    told = system.run(
        "keys", "create", "--account", "key stranger", "--permission", "all", "--json"
    )
    mine = make(system)
    with client(system, told["key"]) as stranger:
        assert [key["id"] for key in stranger.get(API).json()["keys"]] == [told["id"]]
        for key_id in (mine["id"], "none", "%00", "%ff", "x" * 2000):
            assert stranger.patch(f"{API}/{key_id}", json={"name": "a"}).status_code == 404
            assert stranger.delete(f"{API}/{key_id}").status_code == 404
    with client(system, mine["secret"]) as http:
        assert http.get("/api/v1/images").status_code == 200
