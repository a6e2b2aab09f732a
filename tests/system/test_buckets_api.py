"""Buckets of customers, whole-system: their objects, their failures, their secrets."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import httpx2
import obstore
import pytest
from obstore.store import S3Store

from tests.faults import FaultProxy
from tests.servers import S3, free_ports
from tests.system.drawn import photo, size_of
from tests.system.world import World, eventually, world

SHOP = "api-shop"
SECONDS = 4  # how long an order waits for a customer's storage here
_numbers = itertools.count(1)


class Line:
    """A way to the S3 server that can be cut, from tests that do not run in its loop."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._proxy = FaultProxy("127.0.0.1", port)
        self._do(self._proxy.__aenter__())
        self.endpoint = f"http://127.0.0.1:{self._proxy.port}"
        self.port = self._proxy.port

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.down)

    def freeze(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.freeze)

    def mend(self) -> None:
        self._do(self._proxy.heal())

    def close(self) -> None:
        self._do(self._proxy.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Town(NamedTuple):
    """A system and a customer's S3 that it may reach, straight or by a line that can be cut."""

    system: World
    s3: S3
    line: Line
    stub_port: int

    def bucket(self, *, cut: bool = False, **fields: object) -> dict[str, Any]:
        """A bucket in a place of its own, and what was answered."""
        number = next(_numbers)
        body = {
            "key": f"mine-{number}",
            "endpoint": self.line.endpoint if cut else self.s3.endpoint,
            "bucket": SHOP,
            "accessKey": self.s3.customer[0],
            "secretKey": self.s3.customer[1],
            **fields,
            "prefix": f"n{number}/{fields.get('prefix', '')}",
        }
        answer = self.system.http.post("/api/v1/buckets", json=body)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()["bucket"]
        return made

    def objects(self, bucket: dict[str, Any]) -> dict[str, int]:
        """What its owner finds there: keys without the bucket's prefix, and sizes."""
        prefix = bucket["prefix"]
        pages = obstore.list(self.store(bucket), prefix.rstrip("/"))
        return {meta["path"].removeprefix(prefix): meta["size"] for page in pages for meta in page}

    def store(self, bucket: dict[str, Any]) -> S3Store:
        return S3Store(
            bucket["bucket"],
            config={
                "endpoint": self.s3.endpoint,
                "region": "us-east-1",
                "access_key_id": self.s3.access_key,
                "secret_access_key": self.s3.secret_key,
            },
            client_options={"allow_http": True},
        )


@pytest.fixture(scope="module")
def town(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    s3.make_bucket(SHOP)
    (stub_port,) = free_ports(1)
    with contextlib.closing(Line(s3.port)) as line:
        environment = {
            "CALOTYPE_SOURCE_LOOPBACK_PORTS": f"{s3.port},{line.port},{stub_port}",
            "CALOTYPE_BUCKET_SECONDS": str(SECONDS),
            "CALOTYPE_CHILDREN": "1",
        }
        with world(tmp_path_factory.mktemp("buckets") / "data", **environment) as system:
            yield Town(system, s3, line, stub_port)


@pytest.fixture
def mended(town: Town) -> Iterator[Town]:
    """The town; its line is whole again afterwards."""
    yield town
    town.line.mend()


def seen(url: str) -> httpx2.Response:
    return httpx2.get(url, trust_env=False, timeout=30)


def variants(answer: httpx2.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    simple = body["simpleData"]
    found: dict[str, str] = (simple[0] if isinstance(simple, list) else simple)["variants"]
    return found


def image_id(answer: httpx2.Response) -> str:
    return str(answer.json()["data"][0]["id"])


# The endpoints


def test_every_account_has_its_default_bucket_which_is_ours(town: Town) -> None:
    first = town.system.http.get("/api/v1/buckets").json()["buckets"][0]
    assert (first["key"], first["isCustom"]) == ("snapix_default_bucket", False)
    assert first["endpoint"] is None
    assert town.system.http.delete(f"/api/v1/buckets/{first['key']}").status_code == 409
    refused = town.system.http.patch(f"/api/v1/buckets/{first['key']}", json={"region": "x"})
    assert (refused.status_code, refused.json()["details"][0]["field"]) == (400, "region")


def test_a_bucket_is_made_shown_changed_and_deleted(town: Town) -> None:
    http = town.system.http
    made = town.bucket(name="Mine", prefix="pictures/2026", publicUrl="https://img.example.com/")
    assert made["prefix"].endswith("/pictures/2026/")
    assert made["urlBase"] == "https://img.example.com"
    assert (made["isPrimary"], made["isCustom"], made["imageCount"]) == (False, True, 0)
    assert town.objects(made) == {}  # the proof is gone again
    assert made in http.get("/api/v1/buckets").json()["buckets"]
    changed = http.patch(f"/api/v1/buckets/{made['key']}", json={"name": "x", "publicUrl": None})
    assert changed.json()["bucket"]["name"] == "x"
    assert changed.json()["bucket"]["urlBase"].startswith(town.system.edge)
    gone = http.delete(f"/api/v1/buckets/{made['key']}")
    assert (gone.status_code, gone.json()) == (200, None)
    assert http.delete(f"/api/v1/buckets/{made['key']}").status_code == 404
    assert http.patch(f"/api/v1/buckets/{made['key']}", json={"name": "x"}).status_code == 404


def test_everything_that_is_wrong_with_a_bucket_is_told_at_once(town: Town) -> None:
    body = {
        "key": "Not A Key", "endpoint": "https://10.0.0.1", "bucket": "..", "prefix": "../x",
        "region": "?", "publicUrl": "javascript:alert(1)", "name": "\n",
        "accessKey": "", "secretKey": "a b",
    }  # fmt: skip
    answer = town.system.http.post("/api/v1/buckets", json=body)
    assert answer.status_code == 400
    assert {problem["field"] for problem in answer.json()["details"]} == set(body)
    unknown = town.system.http.post("/api/v1/buckets", json={"acl": "public"})
    told = {problem["field"] for problem in unknown.json()["details"]}
    assert told == {"acl", "key", "endpoint", "bucket", "accessKey", "secretKey"}
    empty = town.system.http.patch("/api/v1/buckets/snapix_default_bucket", json={})
    assert empty.status_code == 400


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("accessKey", {"accessKey": "wrong"}),
        ("accessKey", {"secretKey": "wrong"}),
        ("accessKey", {"bucket": "never-made"}),  # this S3 does not say whether there is one
        ("endpoint", {"endpoint": "https://nowhere.invalid"}),
        ("endpoint", {"endpoint": "http://127.0.0.1:1"}),
        ("endpoint", {"endpoint": "https://localhost"}),
        ("endpoint", {"endpoint": "https://169.254.169.254"}),
    ],
)
def test_a_bucket_that_does_not_work_is_not_made_nor_is_one_changed_into_it(
    town: Town, field: str, wrong: dict[str, str]
) -> None:
    http = town.system.http
    right = {
        "key": "broken", "endpoint": town.s3.endpoint, "bucket": "tests",
        "accessKey": town.s3.customer[0], "secretKey": town.s3.customer[1],
    }  # fmt: skip
    answer = http.post("/api/v1/buckets", json=right | wrong)
    assert answer.status_code == 400, answer.text
    assert [problem["field"] for problem in answer.json()["details"]] == [field]
    assert "broken" not in http.get("/api/v1/buckets").text
    made = town.bucket()
    assert http.patch(f"/api/v1/buckets/{made['key']}", json=wrong).status_code == 400
    assert made in http.get("/api/v1/buckets").json()["buckets"]
    variants(town.system.upload(photo(200, 150), bucketKey=made["key"]))


def test_new_credentials_are_used_from_then_on(town: Town) -> None:
    made = town.bucket()
    keys = {"accessKey": town.s3.access_key, "secretKey": town.s3.secret_key}
    changed = town.system.http.patch(f"/api/v1/buckets/{made['key']}", json=keys)
    assert changed.status_code == 200, changed.text
    url = variants(town.system.upload(photo(200, 150), bucketKey=made["key"]))["webp"]
    assert seen(url).status_code == 200


def test_buckets_need_their_own_permission(town: Town) -> None:
    made = town.system.run("keys", "create", "--permission", "images-create", "--json")
    with httpx2.Client(base_url=town.system.api, trust_env=False) as http:
        http.headers["Authorization"] = f"Bearer {made['key']}"
        for answer in (
            http.get("/api/v1/buckets"),
            http.post("/api/v1/buckets", json={}),
            http.patch("/api/v1/buckets/snapix_default_bucket", json={}),
            http.delete("/api/v1/buckets/snapix_default_bucket"),
        ):
            assert answer.status_code == 403
            assert "buckets-manage" in answer.json()["error"]


def test_the_primary_bucket_takes_what_names_no_other(town: Town) -> None:
    made = town.bucket(isPrimary=True)
    try:
        assert town.system.upload(photo(200, 150)).json()["data"][0]["bucketKey"] == made["key"]
    finally:
        deleted = town.system.http.delete(f"/api/v1/buckets/{made['key']}?deleteObjects=true")
    assert deleted.status_code == 200
    default = town.system.http.get("/api/v1/buckets").json()["buckets"][0]
    assert default["isPrimary"]
    answer = town.system.upload(photo(200, 150))
    assert answer.json()["data"][0]["bucketKey"] == default["key"]


# Images


def test_an_upload_lies_where_its_owner_expects_it_and_is_served_from_there(town: Town) -> None:
    bucket = town.bucket(prefix="shop")
    before = town.system.http.get("/api/v1/images?bucketKey=snapix_default_bucket").json()
    answer = town.system.upload(
        photo(640, 480),
        bucketKey=bucket["key"],
        prefix="summer/",
        formatOptions=[{"format": "webp"}, {"format": "jpeg"}],
    )
    urls, image = variants(answer), answer.json()["data"][0]
    keys = [entry["objectKey"] for entry in image["metadata"] if entry["objectKey"]]
    assert sorted(town.objects(bucket)) == sorted(f"summer/{key}" for key in keys)
    assert image["urlBase"] == f"{bucket['urlBase']}/summer"
    for kind, url in urls.items():
        got = seen(url)
        assert (got.status_code, got.headers["content-type"]) == (200, f"image/{kind}")
        assert size_of(got.content) == (kind.upper(), 640, 480)
        name = f"{bucket['prefix']}summer/{url.rpartition('/')[2]}"
        stored = obstore.get(town.store(bucket), name)
        assert stored.attributes["Content-Type"] == f"image/{kind}"
    statistics = answer.json()["accountStatistics"]
    assert (statistics["storageUsed"], statistics["totalStorage"]) == ("user-bucket",) * 2
    after = town.system.http.get("/api/v1/images?bucketKey=snapix_default_bucket").json()
    used = [body["accountStatistics"]["storageUsed"] for body in (before, after)]
    assert used[0] == used[1]


def test_a_replaced_image_keeps_its_keys_and_shows_its_new_bytes_within_a_second(
    town: Town,
) -> None:
    bucket = town.bucket()
    first = town.system.upload(
        photo(400, 300), bucketKey=bucket["key"], formatOptions=[{"format": "webp"}]
    )
    url, old = variants(first)["webp"], town.objects(bucket)
    assert seen(url).status_code == 200
    new = photo(400, 300, "PNG")
    changed = town.system.http.put(
        f"/api/v1/images/{image_id(first)}",
        files={"image": ("new.png", new, "image/png")},
        data={"formatOptions": '[{"format":"webp","options":{"quality":10}}]'},
    )
    assert variants(changed)["webp"] == url
    eventually(lambda: len(seen(url).content) == town.objects(bucket)[url.rpartition("/")[2]], 1)
    assert sorted(town.objects(bucket)) == sorted(old)
    unique = town.system.http.put(
        f"/api/v1/images/{image_id(first)}",
        files={"image": ("new.png", new, "image/png")},
        data={"formatOptions": '[{"format":"avif"}]', "storageKeyHandling": "unique"},
    )
    assert seen(variants(unique)["avif"]).status_code == 200
    eventually(lambda: len(town.objects(bucket)) == 3 and not set(town.objects(bucket)) & set(old))
    eventually(lambda: seen(url).status_code == 404, 1)


def test_many_updates_at_once_leave_one_whole_image(town: Town) -> None:
    bucket = town.bucket()
    first = town.system.upload(photo(320, 240), bucketKey=bucket["key"])
    formats = ["webp", "jpeg", "webp", "png", "webp", "jpeg"]

    def change(kind: str) -> int:
        return town.system.http.put(
            f"/api/v1/images/{image_id(first)}",
            files={"image": ("new.png", photo(320, 240, "PNG"), "image/png")},
            data={"formatOptions": f'[{{"format":"{kind}"}}]'},
        ).status_code

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(change, formats)) == {200}
    image = town.system.http.get(f"/api/v1/images/{image_id(first)}").json()["data"]
    keys = {entry["objectKey"]: entry["size"] for entry in image["metadata"] if entry["objectKey"]}
    for key in keys:
        assert seen(f"{image['urlBase']}/{key}").status_code == 200
    eventually(lambda: town.objects(bucket) == keys)


def test_a_deleted_image_leaves_nothing_and_its_neighbours_stay(town: Town) -> None:
    bucket = town.bucket(prefix="a/b")
    gone, stays = (town.system.upload(photo(200, 150), bucketKey=bucket["key"]) for _ in range(2))
    obstore.put(town.store(bucket), f"{bucket['prefix']}their-own.txt", b"not ours")
    url = variants(gone)["webp"]
    assert seen(url).status_code == 200
    town.system.http.delete(f"/api/v1/images/{image_id(gone)}")
    eventually(lambda: seen(url).status_code == 404, 1)
    eventually(lambda: len(town.objects(bucket)) == 4)
    assert "their-own.txt" in town.objects(bucket)
    assert seen(variants(stays)["webp"]).status_code == 200


@pytest.mark.parametrize("how", ["force", "deleteObjects"])
def test_a_deleted_bucket_keeps_the_customers_objects_unless_asked(town: Town, how: str) -> None:
    bucket = town.bucket()
    answers = [town.system.upload(photo(200, 150), bucketKey=bucket["key"]) for _ in range(3)]
    urls = [variants(answer)["webp"] for answer in answers]
    assert {seen(url).status_code for url in urls} == {200}
    before = town.objects(bucket)
    address = f"/api/v1/buckets/{bucket['key']}"
    refused = town.system.http.delete(address)
    assert (refused.status_code, town.objects(bucket)) == (409, before)
    assert town.system.http.delete(f"{address}?{how}=true").status_code == 200
    eventually(lambda: {seen(url).status_code for url in urls} == {404}, 2)
    assert town.system.http.get(f"/api/v1/images/{image_id(answers[0])}").status_code == 404
    if how == "deleteObjects":
        eventually(lambda: town.objects(bucket) == {})
    else:
        time.sleep(1)
        assert town.objects(bucket) == before


# Failures


def test_a_bucket_that_vanishes_is_told_by_its_key_and_costs_nothing(town: Town) -> None:
    town.s3.make_bucket("vanishing")
    bucket = town.bucket(bucket="vanishing")
    town.s3.drop_bucket("vanishing")
    before = town.system.credits()
    answer = town.system.upload(photo(200, 150), bucketKey=bucket["key"])
    assert (answer.status_code, answer.json()["code"]) == (502, "bucket-refused")
    assert f"'{bucket['key']}'" in answer.json()["error"]
    assert town.system.credits() == before
    town.system.run("dead", "drop", "--all", "--json")
    eventually(lambda: not town.system.staging())


def test_a_storage_that_comes_back_in_time_costs_only_patience(mended: Town) -> None:
    bucket = mended.bucket(cut=True)
    mended.line.cut()
    with ThreadPoolExecutor(1) as threads:
        upload = threads.submit(mended.system.upload, photo(300, 200), bucketKey=bucket["key"])
        eventually(lambda: "bucket failed" in mended.system.log())
        mended.line.mend()
        answer = upload.result()
    assert seen(variants(answer)["webp"]).status_code == 200


def test_a_storage_that_stays_away_is_told_refunded_and_nobody_elses_trouble(mended: Town) -> None:
    bucket = mended.bucket(cut=True)
    kept = mended.system.upload(photo(300, 200), bucketKey=bucket["key"])
    before = mended.system.credits()
    mended.line.cut()
    with ThreadPoolExecutor(6) as threads:
        uploads = [
            threads.submit(mended.system.upload, photo(300, 200), bucketKey=bucket["key"])
            for _ in range(6)
        ]
        began = time.monotonic()
        others = [mended.system.upload(photo(200, 150)).status_code for _ in range(3)]
        assert others == [200] * 3
        assert time.monotonic() - began < 15
        for upload in uploads:
            answer = upload.result()
            assert (answer.status_code, answer.json()["code"]) == (502, "bucket-failed")
            assert f"'{bucket['key']}'" in answer.json()["error"]
    assert mended.system.credits() == before - 3
    mended.line.mend()
    eventually(lambda: seen(variants(kept)["webp"]).status_code == 200, 20)


def test_an_edge_before_a_silent_storage_answers_soon_and_serves_the_rest(mended: Town) -> None:
    bucket = mended.bucket(cut=True)
    answer = mended.system.upload(
        photo(300, 200),
        bucketKey=bucket["key"],
        formatOptions=[{"format": "webp"}, {"format": "jpeg"}],
    )
    ours = variants(mended.system.upload(photo(200, 150)))["webp"]
    urls = variants(answer)
    assert seen(urls["webp"]).status_code == 200
    mended.line.freeze()
    began = time.monotonic()
    assert seen(urls["jpeg"]).status_code in (502, 503)
    assert time.monotonic() - began < 11
    assert seen(urls["webp"]).status_code == 200  # from the cache
    assert seen(ours).status_code == 200
    mended.line.mend()
    eventually(lambda: seen(urls["jpeg"]).status_code == 200, 20)


class Stub(BaseHTTPRequestHandler):
    """A storage that takes everything but JPEGs."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    taken: ClassVar[list[str]] = []

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith(".jpg"):
            self._answer(403)
        else:
            self.objects[self.path] = body
            self.taken.append(self.path)
            self._answer(200)

    def do_GET(self) -> None:
        found = self.objects.get(self.path)
        self._answer(404) if found is None else self._answer(200, found)

    def do_DELETE(self) -> None:
        self.objects.pop(self.path, None)
        self._answer(204)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), ("ETag", '"x"')):
            self.send_header(name, value)
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 12:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stub(town: Town) -> Iterator[str]:
    """The endpoint of a storage that takes only some of what it is given."""
    with ThreadingHTTPServer(("127.0.0.1", town.stub_port), Stub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{town.stub_port}"
        server.shutdown()
        thread.join()


def test_an_upload_that_is_stored_in_part_leaves_nothing(town: Town, stub: str) -> None:
    bucket = town.bucket(endpoint=stub)
    assert Stub.objects == {}
    Stub.taken.clear()
    before = town.system.credits()
    both = [{"format": "webp"}, {"format": "jpeg"}]
    answer = town.system.upload(photo(200, 150), bucketKey=bucket["key"], formatOptions=both)
    assert (answer.status_code, answer.json()["code"]) == (502, "bucket-refused")
    assert len(set(Stub.taken)) == 3  # the thumbnails and the webp were there
    eventually(lambda: Stub.objects == {})
    assert town.system.credits() == before


# Secrets


def test_no_credential_is_in_any_answer_log_or_file(town: Town) -> None:
    bucket = town.bucket()
    wrong = {"accessKey": "AKIA-not-for-eyes", "secretKey": "hush-hush-hush"}
    answers = [
        town.system.http.get("/api/v1/buckets").text,
        town.system.http.patch(f"/api/v1/buckets/{bucket['key']}", json=wrong).text,
        town.system.http.patch(f"/api/v1/buckets/{bucket['key']}", json={"name": "n"}).text,
        town.system.log(),
    ]
    files = b"".join(file.read_bytes() for file in _files(town.system.data))
    for secret in (*town.s3.customer, *wrong.values()):
        assert not [answer for answer in answers if secret in answer]
        assert secret.encode() not in files


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
