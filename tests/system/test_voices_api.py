"""Whatever is asked, and however wrongly: an API answers in its own voice, never in the other's."""

from collections.abc import Iterator
from typing import NamedTuple

import httpx2
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.voices import has_photo_path
from tests.system.world import World, world

METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
PHOTO_STARTS = ["/api/photos", "/api/photos/upload", "/api/me/photos", "/api/auth/login"]
IMAGE_STARTS = ["/api/v1", "/api/v1/images", "/api/v1/galleries", "/api", "/nothing"]
SEGMENT = st.text("aZ09-._~", min_size=1, max_size=8) | st.sampled_from(
    ["aBCd5678", "upload", "photos", "..", "%2e%2e", "%2F", "%00", "%C3%A9", "%FF", "v1", "me"]
)
TAILS = st.lists(SEGMENT, max_size=2).map(lambda parts: "".join(f"/{part}" for part in parts))
QUERIES = st.sampled_from(["", "?page=0", "?limit=x", "?%00", "?a=b&a=c"])
KINDS = st.sampled_from(
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain"]
)
BODIES = st.sampled_from([b"", b"{", b"{}", b"--x--\r\n", b"\xff\x00"])
KEYS = st.sampled_from(["", "wrong", "Bearer wrong", "Token", "Bearer sk_wrong", "Basic eDp5"])

few = settings(max_examples=60, deadline=None)


class Ask(NamedTuple):
    """A request."""

    path: str
    method: str = "GET"
    kind: str = ""
    body: bytes = b""
    key: str = ""
    host: str = ""

    def of(self, system: World) -> httpx2.Response:
        given = {"Content-Type": self.kind, "Authorization": self.key, "Host": self.host}
        headers = {name: value for name, value in given.items() if value}
        address = httpx2.URL(system.http.base_url, raw_path=self.path.encode())
        return system.http.request(self.method, address, headers=headers, content=self.body)


def asks(starts: list[str]) -> st.SearchStrategy[Ask]:
    """Anything at all below these paths."""
    paths = st.tuples(st.sampled_from(starts), TAILS, QUERIES).map("".join)
    return st.tuples(paths, METHODS, KINDS, BODIES, KEYS).map(lambda parts: Ask(*parts))


def is_photo_voice(answer: httpx2.Response) -> bool:
    body = answer.json()
    wrapped = "data" if answer.status_code < 400 else "error_msg"
    return bool(set(body) == {"code", wrapped} and body["code"] == answer.status_code)


def is_image_voice(answer: httpx2.Response) -> bool:
    body = answer.json()
    if answer.status_code < 400:
        return not (isinstance(body, dict) and set(body) == {"code", "data"})
    return set(body) == {"error", "message", "code", "details", "requestId"}


def says_something(answer: httpx2.Response) -> bool:
    """Not what is answered before anybody looks at the path, nor to OPTIONS."""
    return bool(answer.content) and answer.headers.get("content-type", "").startswith(
        "application/json"
    )


def check(answer: httpx2.Response, *, photos: bool) -> None:
    if not says_something(answer):
        assert answer.status_code in (200, 204, 400, 405), answer.text  # 400: granian's own
        return
    assert (is_photo_voice if photos else is_image_voice)(answer), answer.text


@few
@given(asks(PHOTO_STARTS))
def test_no_photo_path_answers_in_the_image_apis_voice(system: World, ask: Ask) -> None:
    answer = ask.of(system)
    assume(has_photo_path(answer.request.url.path))  # a client folds "/.." before it asks
    check(answer, photos=True)


@few
@given(asks(IMAGE_STARTS))
def test_no_image_path_answers_in_the_photo_apis_voice(system: World, ask: Ask) -> None:
    assume(not has_photo_path(ask.path.partition("?")[0]))
    assume(not ask.path.startswith("/api/docs"))
    check(ask.of(system), photos=False)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system with a host and a path for each of the two."""
    names = {
        "CALOTYPE_SNAPAS_HOST": "photos.example",
        "CALOTYPE_SNAPAS_PREFIX": "/p",
        "CALOTYPE_SNAPIX_HOST": "images.example",
        "CALOTYPE_SNAPIX_PREFIX": "/i",
    }
    with world(tmp_path_factory.mktemp("apart") / "data", **names) as made:
        made.http.base_url = made.api.removesuffix("/i")
        yield made


@few
@given(asks(PHOTO_STARTS + IMAGE_STARTS), st.booleans(), st.booleans())
def test_apart_each_host_and_path_has_its_own_voice(
    apart: World, ask: Ask, photos: bool, astray: bool
) -> None:
    host = "photos.example" if photos else "images.example"
    prefix = "" if astray else "/p" if photos else "/i"
    assume(not ask.path.startswith("/api/docs"))
    answer = ask._replace(path=f"{prefix}{ask.path}", host=host).of(apart)
    if astray:
        assert answer.status_code in (204, 400, 404, 405), answer.text
    else:
        check(answer, photos=photos)


def test_apart_both_do_their_work(apart: World) -> None:
    def get(host: str, path: str) -> int:
        return Ask(path, host=host, key=f"Bearer {apart.key}").of(apart).status_code

    assert get("photos.example", "/p/api/me/photos") == 200
    assert get("images.example", "/i/api/v1/images") == 200
    assert get("photos.example", "/i/api/v1/images") == 404
    assert get("images.example", "/p/api/me/photos") == 404
    assert get("photos.example", "/p/api/v1/images") == 404
    assert get("images.example", "/i/api/me/photos") == 404
    assert get("images.example", "/i/docs") == 200
    assert get("", "/healthz") == 200
