"""Who may convert, over HTTP: signed URLs, keys, presets and sizes, from the API to the edge."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests import pictures
from tests.system.world import World, eventually, world

URLS, KEYS, PRESETS = "/api/v1/urls", "/api/v1/url-keys", "/api/v1/presets"
BUCKET = "/api/v1/buckets/snapix_default_bucket"
SECRET = "a secret of at least 32 characters, for tests"


class Town:
    """A system whose edge others could reach, and an image in it."""

    def __init__(self, system: World) -> None:
        self.system = system
        self.edge = _here(system.edge)
        system.http.close()
        system.http = httpx2.Client(
            base_url=_here(system.api),
            headers={"Authorization": f"Bearer {system.key}"},
            timeout=60,
            trust_env=False,
        )
        self.http = system.http
        uploaded = system.upload(pictures.jpeg(800, 600), resizeOptions={"width": 600}).json()
        (variant,) = uploaded["simpleData"][0]["variants"].values()
        self.url = _here(variant)
        self.key = variant.rpartition("/")[2]

    def get(self, query: str, **headers: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}?{query}", headers=headers, trust_env=False, timeout=60)

    def sign(self, **body: object) -> dict[str, Any]:
        asked: dict[str, object] = {"objectKey": self.key, "parameters": {"w": 100}} | body
        answer = self.http.post(URLS, json=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def open(self, url: str) -> httpx2.Response:
        return httpx2.get(_here(url), trust_env=False, timeout=60)

    def setting(self, **fields: object) -> None:
        answer = self.http.patch(BUCKET, json=fields)
        assert answer.status_code == 200, answer.text


def _here(url: str) -> str:
    """The same from this machine: the world outside knows it by its name."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://127.0.0.1:{host.rpartition(':')[2]}{slash}{path}"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    data = tmp_path_factory.mktemp("town") / "data"
    with world(data, CALOTYPE_HOST="0.0.0.0", CALOTYPE_SECRET=SECRET) as system:
        yield Town(system)


@pytest.fixture(autouse=True)
def _as_found(town: Town) -> Iterator[None]:
    yield
    town.setting(conversion="signed", sizes=[])


def size_of(answer: httpx2.Response) -> tuple[int, int]:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content)).size


def test_a_signed_url_converts_and_an_unsigned_one_does_not(town: Town) -> None:
    made = town.sign(parameters={"w": 120, "fm": "jpeg"})
    answer = town.open(made["url"])
    assert (size_of(answer), answer.headers["content-type"]) == ((120, 90), "image/jpeg")
    assert town.open(made["url"]).content == answer.content
    refused = town.get("w=120&fm=jpeg")
    assert (refused.status_code, refused.headers["cache-control"]) == (403, "no-store")
    assert town.open(made["url"].replace("w=120", "w=121")).status_code == 403


def test_an_address_can_be_given_instead_of_a_key(town: Town) -> None:
    by_key = town.sign()
    whole = by_key["url"].partition("?")[0]
    assert town.sign(objectKey=None, url=whole)["url"] == by_key["url"]
    assert town.sign(bucketKey="snapix_default_bucket")["url"] == by_key["url"]


def test_a_signed_url_ends_and_nobody_keeps_its_answer_longer(town: Town) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=4)
    made = town.sign(parameters={"w": 77}, expiresAt=soon.isoformat())
    answer = town.open(made["url"])
    assert answer.status_code == 200
    _, _, age = answer.headers["cache-control"].partition("max-age=")
    assert int(age) <= 4
    eventually(lambda: town.open(made["url"]).status_code == 410)
    assert town.open(town.url).status_code == 200


def test_a_deleted_key_is_refused_within_a_second_and_others_go_on(town: Town) -> None:
    old = town.http.post(KEYS, json={"name": "old"}).json()["urlKey"]
    before = town.sign(keyId=old["id"])["url"]
    new = town.http.post(KEYS, json={"name": "new"}).json()["urlKey"]
    after = town.sign()
    assert after["keyId"] == new["id"]
    eventually(lambda: town.open(after["url"]).status_code == 200)
    assert town.open(before).status_code == 200
    assert town.http.delete(f"{KEYS}/{old['id']}").status_code == 200
    eventually(lambda: town.open(before).status_code == 403)
    assert town.open(after["url"]).status_code == 200
    assert town.http.delete(f"{KEYS}/{old['id']}").status_code == 404


def test_a_secret_is_told_once_and_kept_sealed(town: Town) -> None:
    made = town.http.post(KEYS, json={"name": "shop"}).json()["urlKey"]
    assert set(made) == {"id", "name", "createdAt", "secret"}
    listed = town.http.get(KEYS)
    assert made["secret"] not in listed.text
    assert made["id"] in [key["id"] for key in listed.json()["urlKeys"]]
    folder = town.system.data
    stored = b"".join(path.read_bytes() for path in folder.glob("calotype.sqlite*"))
    assert made["secret"].encode() not in stored


def test_a_preset_needs_no_signature_and_follows_its_changes(town: Town) -> None:
    stored = town.http.put(f"{PRESETS}/card", json={"parameters": {"w": 64, "fm": "png"}})
    assert stored.json()["preset"]["parameters"] == {"w": "64", "fm": "png"}
    first = town.get("preset=card")
    assert size_of(first) == (64, 48)
    assert "immutable" not in first.headers["cache-control"]
    town.http.put(f"{PRESETS}/card", json={"parameters": {"w": 32, "fm": "png"}})
    eventually(lambda: size_of(town.get("preset=card")) == (32, 24))
    assert "immutable" not in town.get("preset=card").headers["cache-control"]
    assert town.get("preset=card&w=10").status_code == 403
    assert [one["name"] for one in town.http.get(PRESETS).json()["presets"]] == ["card"]
    assert town.http.get(f"{PRESETS}/card").json()["preset"]["parameters"]["w"] == "32"
    assert town.http.delete(f"{PRESETS}/card").status_code == 200
    eventually(lambda: town.get("preset=card").status_code == 404)
    assert town.http.get(f"{PRESETS}/card").status_code == 404


def test_unsigned_sizes_snap_to_what_the_bucket_allows(town: Town) -> None:
    town.setting(conversion="sizes", sizes=[160, "320", "200x200"])
    eventually(lambda: town.get("w=100").status_code == 200)
    assert size_of(town.get("w=100")) == (160, 120)
    assert size_of(town.get("w=161&fm=jpeg")) == (320, 240)
    assert size_of(town.get("w=9000")) == (320, 240)
    assert size_of(town.get("w=10&h=10")) == (200, 200)
    assert town.get("w=100&blur=3").status_code == 403
    assert town.get("h=100").status_code == 403


def test_an_open_bucket_converts_everything(town: Town) -> None:
    town.setting(conversion="open")
    eventually(lambda: town.get("w=91&q=30").status_code == 200)
    width, height = size_of(town.get("w=90&rot=90&pad=5&fm=png"))
    assert (width, abs(height - 130) <= 1) == (100, True)


def test_a_local_edge_converts_everything(system: World) -> None:
    uploaded = system.upload(pictures.jpeg(300, 200), resizeOptions={"width": 300}).json()
    (url,) = uploaded["simpleData"][0]["variants"].values()
    assert size_of(httpx2.get(f"{url}?w=30&blur=1", trust_env=False)) == (30, 20)


def test_the_command_line_signs_what_the_edge_takes(town: Town) -> None:
    made = town.system.run("url", "sign", town.url, "w=55", "fm=png", "--json")
    eventually(lambda: town.open(made["url"]).status_code == 200)
    assert size_of(town.open(made["url"])) == (55, 41)
    by_key = town.system.run("url", "sign", town.key, "w=55", "--expires", "600", "--json")
    assert by_key["expiresAt"]


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"objectKey": None}, 400, "objectKey"),
    ({"url": "http://elsewhere.example/a"}, 400, "objectKey"),
    ({"objectKey": None, "url": "http://elsewhere.example/a"}, 400, "url"),
    ({"objectKey": "../../etc/passwd"}, 400, "objectKey"),
    ({"objectKey": "a.webp?w=1"}, 400, "objectKey"),
    ({"bucketKey": "none"}, 404, ""),
    ({"keyId": "0123456789ab"}, 404, ""),
    ({"keyId": "a\u0000"}, 404, ""),
    ({"parameters": {"w": 0}}, 400, "parameters.w"),
    ({"parameters": {"x": 1}}, 400, "parameters.x"),
    ({"parameters": {"s": "a"}}, 400, "parameters.s"),
    ({"parameters": {"exp": 1}}, 400, "parameters.exp"),
    ({"parameters": {"w": 1, "W": 1}}, 400, "parameters"),
    ({"parameters": {"w": True}}, 400, "parameters"),
    ({"parameters": {"preset": "none"}}, 404, ""),
    ({"expiresAt": "2001-01-01T00:00:00Z"}, 400, "expiresAt"),
    ({"expiresAt": "2101-01-01T00:00:00"}, 400, "expiresAt"),
    ({"other": 1}, 400, "other"),
]


@pytest.mark.parametrize(("body", "status", "field"), REFUSED)
def test_what_cannot_be_signed_is_refused_by_name(
    town: Town, body: dict[str, Any], status: int, field: str
) -> None:
    answer = town.http.post(URLS, json={"objectKey": town.key} | body)
    assert answer.status_code == status, answer.text
    if field:
        assert answer.json()["details"][0]["field"].startswith(field)


@pytest.mark.parametrize("name", ["Card", "a b", "-a", "a" * 65, "a.b", "a%2e"])
def test_a_preset_has_a_plain_name(town: Town, name: str) -> None:
    answer = town.http.put(f"{PRESETS}/{name}", json={"parameters": {"w": 1}})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "parameters", [{"preset": "a"}, {"v": "1"}, {"download": "a"}, {"w": "x"}, {"k": "a"}]
)
def test_a_preset_has_parameters_of_pixels_only(town: Town, parameters: dict[str, str]) -> None:
    answer = town.http.put(f"{PRESETS}/bad", json={"parameters": parameters})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-fields")
    assert town.http.get(f"{PRESETS}/bad").status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"conversion": "all"}, "conversion"),
        ({"sizes": ["x"]}, "sizes[0]"),
        ({"sizes": [1, "0x1"]}, "sizes[1]"),
        ({"sizes": ["1x20000"]}, "sizes[0]"),
        ({"sizes": list(range(1, 70))}, "sizes"),
        ({"sizes": 1}, "sizes"),
        ({"keepOriginals": 1}, "keepOriginals"),
        ({"mezzanine": None}, "mezzanine"),
    ],
)
def test_a_buckets_settings_are_checked(town: Town, fields: dict[str, Any], field: str) -> None:
    answer = town.http.patch(BUCKET, json=fields)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)


def test_a_buckets_settings_are_shown(town: Town) -> None:
    town.setting(conversion="sizes", sizes=[640, "640", "x20"], keepOriginals=True, mezzanine=False)
    (shown,) = town.http.get("/api/v1/buckets").json()["buckets"]
    assert (shown["conversion"], shown["sizes"]) == ("sizes", ["640", "x20"])
    assert (shown["keepOriginals"], shown["mezzanine"]) == (True, False)
    town.setting(keepOriginals=False, mezzanine=True)


def test_a_key_does_only_what_it_may(town: Town) -> None:
    made = town.http.post("/api/v1/keys", json={"name": "r", "permissions": ["images-read"]})
    headers = {"Authorization": f"Bearer {made.json()['key']['secret']}"}
    with httpx2.Client(base_url=town.http.base_url, headers=headers, trust_env=False) as reader:
        assert reader.post(URLS, json={"objectKey": town.key}).status_code == 200
        assert reader.get(PRESETS).status_code == 200
        assert reader.get(KEYS).status_code == 403
        assert reader.post(KEYS, json={"name": "a"}).status_code == 403
        assert reader.put(f"{PRESETS}/a", json={"parameters": {}}).status_code == 403
        assert reader.delete(f"{PRESETS}/a").status_code == 403


def test_an_account_has_so_many_renders_and_hits_are_not_counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = tmp_path_factory.mktemp("limited") / "data"
    with world(data, CALOTYPE_RATE_LIMIT_RENDERS="3/hour") as system:
        uploaded = system.upload(pictures.jpeg(300, 200), resizeOptions={"width": 300}).json()
        (url,) = uploaded["simpleData"][0]["variants"].values()
        with httpx2.Client(trust_env=False, timeout=60) as browser:
            made = [browser.get(f"{url}?w={width}").status_code for width in (10, 20, 30)]
            assert made == [200, 200, 200]
            refused = browser.get(f"{url}?w=40")
            assert refused.status_code == 429
            assert 0 < int(refused.headers["retry-after"]) <= 3601
            assert refused.headers["cache-control"] == "no-store"
            for _ in range(20):
                assert browser.get(f"{url}?w=10").status_code == 200
                assert browser.get(url).status_code == 200
