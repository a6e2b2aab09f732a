"""Galleries over HTTP: with a key as the guide has them, and without one for who may look."""

import itertools
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest

from tests.system.drawn import photo
from tests.system.world import World, eventually

API = "/api/v1/galleries"
_strangers = itertools.count(1)


def image(system: World, **fields: object) -> dict[str, Any]:
    made = system.upload(photo(64, 48), **fields)
    assert made.status_code == 200, made.text
    return dict(made.json()["data"][0])


def gallery(system: World, *images: str, **fields: object) -> dict[str, Any]:
    body = {"name": "Summer", "imageIds": images} | fields
    made = system.http.post(API, json=body)
    assert made.status_code == 200, made.text
    return dict(made.json()["gallery"])


def client(system: World, key: str) -> httpx2.Client:
    return httpx2.Client(
        base_url=system.api,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        trust_env=False,
    )


def allowed(system: World, *permissions: str) -> httpx2.Client:
    """A client of the same account that may do these things."""
    options = [word for permission in permissions for word in ("--permission", permission)]
    return client(system, system.run("keys", "create", *options, "--json")["key"])


@pytest.fixture
def stranger(system: World) -> Iterator[httpx2.Client]:
    """Another account, which may do everything with its own things."""
    name = f"gallery stranger {next(_strangers)}"
    system.run("accounts", "create", name, "--json")
    made = system.run("keys", "create", "--account", name, "--permission", "all", "--json")
    with client(system, made["key"]) as http:
        yield http


@pytest.fixture
def nobody(system: World) -> Iterator[httpx2.Client]:
    """Somebody without a key."""
    with client(system, "") as http:
        yield http


def test_a_new_gallery_holds_its_images_as_the_images_api_shows_them(system: World) -> None:
    first, second = image(system), image(system)
    made = gallery(system, second["id"], first["id"], isPublic=True)
    assert (made["name"], made["isPublic"], made["updatedAt"]) == ("Summer", True, None)
    assert made["bucketKey"] == "snapix_default_bucket"
    assert [member["imageId"] for member in made["images"]] == [second["id"], first["id"]]
    for member in made["images"]:
        assert member["galleryId"] == made["id"]
        shown = system.http.get(f"/api/v1/images/{member['imageId']}").json()["data"]
        assert member["image"] == shown
        assert shown["galleries"] == [{"galleryId": made["id"], "imageId": shown["id"]}]
    assert system.http.get(f"{API}/{made['id']}").json() == {"gallery": made}


def test_a_gallery_of_many_images_is_answered_whole_and_shown_in_pages(
    system: World, nobody: httpx2.Client
) -> None:
    sizes = [{"width": width} for width in range(8, 68)]
    images = [
        one["id"]
        for _ in range(2)
        for one in system.upload(photo(64, 48), resizeOptions=sizes).json()["data"]
    ]
    made = gallery(system, *images, isPublic=True)
    for answer in (made, system.http.get(f"{API}/{made['id']}").json()["gallery"]):
        assert [member["imageId"] for member in answer["images"]] == images
    seen = []
    for page, neighbours in ((1, (None, 2)), (2, (1, None))):
        headers = {"Accept": "application/json"}
        shown = nobody.get(f"/g/{made['id']}?page={page}", headers=headers).json()
        around = shown["pagination"]
        assert (around["previousPage"], around["nextPage"]) == neighbours
        seen += [one["id"] for one in shown["gallery"]["images"]]
    assert seen == images
    assert nobody.get(f"/g/{made['id']}?page=3").status_code == 404
    assert system.http.delete(f"{API}/{made['id']}?deleteImages=true").status_code == 200
    assert system.http.get(f"/api/v1/images/{images[-1]}").status_code == 404


def test_galleries_are_listed_newest_first_without_their_images(system: World) -> None:
    older, newer = gallery(system, name="older"), gallery(system, name="newer")
    listed = system.http.get(API).json()["galleries"]
    ids = [one["id"] for one in listed]
    assert ids.index(newer["id"]) < ids.index(older["id"])
    assert all("images" not in one for one in listed)


def test_an_image_is_ungrouped_until_it_is_in_a_gallery_and_again_after(system: World) -> None:
    def ungrouped() -> list[str]:
        answer = system.http.get(f"{API}/ungrouped", params={"bucketKey": "snapix_default_bucket"})
        body = answer.json()["gallery"]
        assert (body["id"], body["name"], body["updatedAt"]) == ("ungrouped", "Ungrouped", None)
        return [member["imageId"] for member in body["images"]]

    one = image(system)["id"]
    assert ungrouped()[0] == one
    made = gallery(system, one)
    assert one not in ungrouped()
    assert system.http.delete(f"{API}/{made['id']}").status_code == 200
    assert ungrouped()[0] == one


def test_ungrouped_images_come_in_pages(system: World) -> None:
    older, newer = image(system)["id"], image(system)["id"]
    pages = [
        system.http.get(f"{API}/ungrouped", params={"page": page, "limit": 1}).json()["gallery"]
        for page in (1, 2)
    ]
    assert [page["images"][0]["imageId"] for page in pages] == [newer, older]
    beyond = system.http.get(f"{API}/ungrouped", params={"page": 1_000_000}).json()
    assert beyond["gallery"]["images"] == []


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_gallery_is_changed_as_far_as_the_body_says(system: World, method: str) -> None:
    made = gallery(system)
    changed = system.http.request(method, f"{API}/{made['id']}", json={"isPublic": True}).json()
    assert (changed["name"], changed["isPublic"]) == ("Summer", True)
    changed = system.http.request(method, f"{API}/{made['id']}", json={"name": "Snow"}).json()
    assert (changed["name"], changed["isPublic"]) == ("Snow", True)
    assert set(changed) == set(made) - {"images"}
    assert changed["updatedAt"] > changed["createdAt"]


def test_deleting_a_gallery_keeps_its_images_or_deletes_them(system: World) -> None:
    kept, doomed = image(system)["id"], image(system)
    for images, query, status in (([kept], "", 200), ([doomed["id"]], "?deleteImages=true", 404)):
        made = gallery(system, *images)
        answer = system.http.delete(f"{API}/{made['id']}{query}")
        assert (answer.status_code, answer.json()) == (200, None)
        assert system.http.get(f"{API}/{made['id']}").status_code == 404
        assert system.http.get(f"/api/v1/images/{images[0]}").status_code == status
    url = f"{doomed['urlBase']}/{doomed['metadata'][-2]['objectKey']}"
    eventually(lambda: httpx2.get(url, trust_env=False).status_code in {404, 410}, seconds=5)


def test_an_image_that_is_deleted_leaves_its_galleries(system: World) -> None:
    one, two = image(system)["id"], image(system)["id"]
    made = gallery(system, one, two)
    system.http.delete(f"/api/v1/images/{one}")
    left = system.http.get(f"{API}/{made['id']}").json()["gallery"]["images"]
    assert [member["imageId"] for member in left] == [two]


REFUSED = [
    ({}, "name", "missing"),
    ({"name": ""}, "name", "length"),
    ({"name": "   "}, "name", "blank"),
    ({"name": "a\nb"}, "name", "control"),
    ({"name": "a\u0000"}, "name", "control"),
    ({"name": "x" * 257}, "name", "256"),
    ({"name": 5}, "name", "expected str"),
    ({"name": None}, "name", "expected str"),
    ({"name": "a", "isPublic": "true"}, "isPublic", "expected bool"),
    ({"name": "a", "isPublic": None}, "isPublic", "expected bool"),
    ({"name": "a", "imageIds": "x"}, "imageIds", "expected array"),
    ({"name": "a", "imageIds": ["x", 7]}, "imageIds[1]", "expected str"),
    ({"name": "a", "imageIds": ["x"]}, "imageIds[0]", "no such image"),
    ({"name": "a", "imageIds": ["\u0000"]}, "imageIds[0]", "no such image"),
    ({"name": "a", "imageIds": ["x"] * 10_001}, "imageIds", "10000"),
    ({"name": "a", "bucketKey": "nope"}, "bucketKey", "no bucket"),
    ({"name": "a", "public": True}, "public", "not a field"),
]


@pytest.mark.parametrize(("body", "field", "problem"), REFUSED)
def test_a_wrong_field_is_named_and_nothing_is_made(
    system: World, body: object, field: str, problem: str
) -> None:
    before = system.http.get(API).json()
    answer = system.http.post(API, json=body)
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert told["code"] == "invalid-fields"
    assert told["details"][0]["field"] == field
    assert problem in told["details"][0]["problem"]
    assert system.http.get(API).json() == before


def test_all_wrong_fields_are_named_at_once(system: World) -> None:
    answer = system.http.post(API, json={"isPublic": 1, "imageIds": {}, "colour": "red"})
    fields = [problem["field"] for problem in answer.json()["details"]]
    assert sorted(fields) == ["colour", "imageIds", "isPublic", "name"]


UNREADABLE = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"[]", "application/json", 400),
    (b'"name"', "application/json", 400),
    (b'{"name":"\xff"}', "application/json", 400),
    (b'{"name":"\\ud800"}', "application/json", 400),
    (b'{"name":' + b"[" * 100_000, "application/json", 400),
    (b'{"name":"a"}', "text/plain", 400),
    (b"name=a", "application/x-www-form-urlencoded", 400),
    (b'{"name":"a"}', "", 400),
    (b'{"name":"' + b"a" * 1_100_000 + b'"}', "application/json", 413),
]


@pytest.mark.parametrize(("body", "kind", "status"), UNREADABLE)
def test_a_body_that_is_no_json_object_is_refused(
    system: World, body: bytes, kind: str, status: int
) -> None:
    made = gallery(system)
    for method, path in (("POST", API), ("PATCH", f"{API}/{made['id']}")):
        answer = system.http.request(method, path, content=body, headers={"Content-Type": kind})
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error", "message", "code", "details", "requestId"}


@pytest.mark.parametrize("body", [{}, {"name": None}, {"isPublic": 1}, {"bucketKey": "x"}])
def test_a_change_that_changes_nothing_is_refused(system: World, body: object) -> None:
    made = gallery(system)
    assert system.http.patch(f"{API}/{made['id']}", json=body).status_code == 400


WRONG_QUERIES = [
    ("GET", "/ungrouped?page=0"),
    ("GET", "/ungrouped?page=x"),
    ("GET", "/ungrouped?page=99999999999999999999"),
    ("GET", "/ungrouped?limit=201"),
    ("GET", "/ungrouped?limit=0"),
    ("GET", "/ungrouped?bucketKey=nope"),
    ("GET", "/ungrouped?bucketKey=%00"),
    ("DELETE", "/x?deleteImages=yes"),
    ("DELETE", "/x?deleteImages="),
]


@pytest.mark.parametrize(("method", "path"), WRONG_QUERIES)
def test_a_wrong_query_is_refused(system: World, method: str, path: str) -> None:
    answer = system.http.request(method, API + path)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-fields")


@pytest.mark.parametrize("name", ["none", "%00", "%ff", "..%2f..", "x" * 2000, "%F0%9F%8C%8A"])
def test_what_is_no_gallery_is_not_found(system: World, name: str) -> None:
    answers = [
        system.http.request(method, f"{API}/{name}", json=body)
        for method, body in (("GET", None), ("PATCH", {"name": "a"}), ("DELETE", None))
    ]
    assert [answer.status_code for answer in answers] == [404] * 3


def test_every_route_needs_its_permission(system: World, nobody: httpx2.Client) -> None:
    made = gallery(system)["id"]
    routes = [
        ("GET", API, "galleries-read"),
        ("GET", f"{API}/ungrouped", "galleries-read"),
        ("GET", f"{API}/{made}", "galleries-read"),
        ("POST", API, "galleries-create"),
        ("PATCH", f"{API}/{made}", "galleries-update"),
        ("PUT", f"{API}/{made}", "galleries-update"),
        ("DELETE", f"{API}/{made}", "galleries-delete"),
        ("DELETE", f"{API}/{made}?deleteImages=true", "galleries-delete-with-images"),
        ("DELETE", f"{API}/{made}?deleteImages=true&deleteImages=false", "galleries-delete"),
    ]
    with allowed(system, "images-read") as weak:
        for method, path, permission in routes:
            assert nobody.request(method, path).status_code == 401
            answer = weak.request(method, path)
            assert answer.status_code == 403, (method, path)
            named = re.findall(r"'(galleries-[a-z-]+)'", answer.json()["error"])
            if path.count("deleteImages") < 2:
                assert named == [permission]
    assert system.http.get(f"{API}/{made}").status_code == 200


def test_who_may_delete_galleries_may_not_delete_images_and_the_other_way_round(
    system: World,
) -> None:
    one = image(system)["id"]
    made = gallery(system, one)["id"]
    with allowed(system, "galleries-delete") as tidy:
        for query in ("?deleteImages=true", "?deleteImages=true&deleteImages=false"):
            refused = tidy.delete(f"{API}/{made}{query}")
            assert "galleries-delete-with-images" in refused.text
    with allowed(system, "galleries-delete-with-images") as sweeping:
        assert sweeping.delete(f"{API}/{made}").status_code == 403
        assert system.http.get(f"/api/v1/images/{one}").status_code == 200
        assert sweeping.delete(f"{API}/{made}?deleteImages=true").status_code == 200
    assert system.http.get(f"/api/v1/images/{one}").status_code == 404


def test_the_galleries_and_images_of_another_account_do_not_exist(
    system: World, stranger: httpx2.Client
) -> None:
    one = image(system)["id"]
    made = gallery(system, one, isPublic=True)["id"]
    assert stranger.get(API).json() == {"galleries": []}
    assert stranger.get(f"{API}/ungrouped").json()["gallery"]["images"] == []
    assert stranger.get(f"{API}/{made}").status_code == 404
    assert stranger.patch(f"{API}/{made}", json={"name": "mine"}).status_code == 404
    assert stranger.delete(f"{API}/{made}?deleteImages=true").status_code == 404
    theft = stranger.post(API, json={"name": "mine", "imageIds": [one]})
    assert theft.json()["details"][0]["field"] == "imageIds[0]"
    assert system.http.get(f"{API}/{made}").json()["gallery"]["images"][0]["imageId"] == one


# --- Without a key ---


class Read(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_public_gallery_is_a_page_that_needs_no_script_and_no_other_host(
    system: World, nobody: httpx2.Client
) -> None:
    formats = [{"format": name} for name in ("avif", "webp", "jpeg")]
    one = image(system, description='Pier & "sea" <b>', formatOptions=formats)
    two = image(system, name="two.jpg")
    made = gallery(
        system, one["id"], two["id"], name="Sun & <script>alert(1)</script>", isPublic=True
    )
    answer = nobody.get(f"/g/{made['id']}", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; img-src {system.edge}; style-src 'sha256-")
    page = Read(answer.text)
    assert not page.all("script")
    assert page.all("html") == [{"lang": "en"}]
    assert '<h1 dir="auto">Sun &amp; &lt;script&gt;alert(1)&lt;/script&gt;</h1>' in answer.text
    first, second = page.all("img")
    assert (first["alt"], second["alt"]) == ('Pier & "sea" <b>', "two.jpg")
    assert (first["width"], first["height"]) == ("64", "48")
    assert [source["type"] for source in page.all("source")] == [
        "image/avif",
        "image/webp",
        "image/webp",
    ]
    used = [first["src"], *(link["href"] for link in page.all("a"))]
    used += [source["srcset"].split()[0] for source in page.all("source") if source["srcset"]]
    for url in used:
        assert httpx2.get(str(url), trust_env=False).status_code == 200
    assert made["accountId"] not in answer.text


def test_a_public_gallery_is_data_to_who_accepts_that(system: World, nobody: httpx2.Client) -> None:
    one = image(system, description="Pier")
    made = gallery(system, one["id"], isPublic=True)
    answer = nobody.get(f"/g/{made['id']}", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Accept" in answer.headers["vary"]
    shown = answer.json()
    assert set(shown) == {"gallery", "pagination"}
    assert set(shown["gallery"]) == {"id", "name", "images"}
    (seen,) = shown["gallery"]["images"]
    assert set(seen) == {"id", "originalName", "description", "width", "height", "variants"}
    for variant in seen["variants"]:
        served = httpx2.get(variant["url"], trust_env=False)
        assert len(served.content) == variant["size"]
    for secret in (made["accountId"], "bucketKey", "snapix_default_bucket", "sha256"):
        assert secret not in answer.text


def test_private_galleries_look_like_none_at_all(system: World, nobody: httpx2.Client) -> None:
    hidden = gallery(system)["id"]
    for accept in ("text/html", "application/json"):
        answers = [
            nobody.get(f"/g/{name}", headers={"Accept": accept, "X-Request-Id": "the-same-one"})
            for name in (hidden, "7618c305-37b9-4a06-b986-9c62b285875c", "none", "%00")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert answers[0].headers["content-type"].startswith(accept)


def test_a_gallery_is_public_from_the_moment_it_is_made_so_and_no_longer(
    system: World, nobody: httpx2.Client
) -> None:
    made = gallery(system)["id"]
    for public, status in ((True, 200), (False, 404), (True, 200)):
        system.http.patch(f"{API}/{made}", json={"isPublic": public})
        assert nobody.get(f"/g/{made}").status_code == status
    system.http.delete(f"{API}/{made}")
    assert nobody.get(f"/g/{made}").status_code == 404


def test_a_page_that_did_not_change_is_not_sent_again(system: World, nobody: httpx2.Client) -> None:
    made = gallery(system, image(system)["id"], isPublic=True)["id"]
    for accept in ("text/html", "application/json"):
        first = nobody.get(f"/g/{made}", headers={"Accept": accept})
        tag = first.headers["etag"]
        again = nobody.get(
            f"/g/{made}", headers={"Accept": accept, "If-None-Match": f'"old", W/{tag}'}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    system.http.patch(f"{API}/{made}", json={"name": "Other"})
    assert nobody.get(f"/g/{made}", headers={"If-None-Match": tag}).status_code == 200


def test_a_page_is_sent_compressed_to_who_can_read_that(
    system: World, nobody: httpx2.Client
) -> None:
    made = gallery(system, image(system)["id"], isPublic=True)["id"]

    def get(encoding: str) -> httpx2.Response:
        return nobody.get(f"/g/{made}", headers={"Accept-Encoding": encoding})

    plain = get("identity")
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in get("gzip;q=0, br").headers
    small = get("br, gzip;q=0.8")
    assert small.headers["content-encoding"] == "gzip"
    assert small.text == plain.text
    assert int(small.headers["content-length"]) < len(plain.content)
    assert small.headers["etag"] != plain.headers["etag"]
    assert "Accept-Encoding" in small.headers["vary"]


def test_who_only_asks_for_the_head_gets_that(system: World, nobody: httpx2.Client) -> None:
    made = gallery(system, image(system)["id"], isPublic=True)["id"]
    asked, told = nobody.head(f"/g/{made}"), nobody.get(f"/g/{made}")
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["etag"] == told.headers["etag"]
    assert nobody.head("/g/none").status_code == 404


@pytest.mark.parametrize("page", ["0", "2", "-1", "x", "1.0", "99999999999999999999", "%00", ""])
def test_a_gallery_has_no_pages_beyond_its_own(
    system: World, nobody: httpx2.Client, page: str
) -> None:
    made = gallery(system, image(system)["id"], isPublic=True)["id"]
    assert nobody.get(f"/g/{made}?page={page}").status_code == 404
    assert nobody.get(f"/g/{made}?page=1").status_code == 200


def test_an_empty_public_gallery_says_so(system: World, nobody: httpx2.Client) -> None:
    made = gallery(system, isPublic=True)["id"]
    assert "no pictures" in nobody.get(f"/g/{made}").text
    shown = json.loads(nobody.get(f"/g/{made}", headers={"Accept": "application/json"}).text)
    assert shown["gallery"]["images"] == []
