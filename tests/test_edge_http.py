"""What the edge answers over HTTP, case by case, from a real server on a real port."""

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn_edge.http import Slice, lists_tag, read_date, read_range, write_date
from cdn_edge.keys import read_path
from tests.edge_cases import (
    ANSWERS,
    BODY,
    CONDITIONS,
    FOLDED,
    GONE,
    MISSING,
    PHOTO,
    PICTURE,
    RANGES,
    REPLACEABLE,
    TAG,
    Case,
)
from tests.edge_world import BUCKET, MODIFIED, MODIFIED_TEXT, Served, serve


def table(sections: dict[str, list[Any]]) -> list[Any]:
    """A parameter set a line, with the section before what the line holds."""
    lines = [(section, line) for section, cases in sections.items() for line in cases]
    return [
        (section, line) if isinstance(line, Case) else (section, *line) for section, line in lines
    ]


def test_the_table_is_long_and_every_line_names_its_section() -> None:
    tables = (CONDITIONS, RANGES, ANSWERS)
    assert sum(len(cases) for each in tables for cases in each.values()) >= 180
    assert all("RFC" in section or "Fetch" in section for each in tables for section in each)


@pytest.fixture(scope="module")
def edge() -> Iterator[Served]:
    with serve() as served:
        shelf = served.shelf
        shelf.put(PICTURE.rsplit("/", 1)[1], BODY, immutable=True)
        shelf.put("summer/2026/a-thumb_small.avif", BODY, immutable=True, content_type="image/avif")
        shelf.put("r-720x405.jpg", BODY, content_type="image/jpeg")
        shelf.put("abCD1234.jpg", BODY, bucket="", content_type="image/jpeg")
        shelf.bury("gone-1x1.png")
        assert served.ask(PICTURE).status == 200  # the tables below mostly meet it in memory
        yield served


def test_a_picture_arrives_whole_and_says_what_it_is(edge: Served) -> None:
    answer = edge.ask(PICTURE)
    assert (answer.status, answer.body) == (200, BODY)
    expected = {
        "content-type": "image/webp",
        "content-length": str(len(BODY)),
        "etag": TAG,
        "last-modified": MODIFIED_TEXT,
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "cross-origin",
        "timing-allow-origin": "*",
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "*",
        "cache-status": "calotype; hit; detail=memory",
        "server-timing": "memory",
    }
    assert expected.items() <= answer.headers.items()
    assert len(answer.names) == len(set(answer.names)), "no header twice"
    assert "vary" not in answer.headers, "nothing is negotiated here"


def test_a_replaceable_key_may_be_kept_only_briefly(edge: Served) -> None:
    answer = edge.ask(REPLACEABLE)
    assert answer.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=300"


def test_keys_in_folders_and_photos_without_a_bucket_are_found(edge: Served) -> None:
    assert edge.ask(FOLDED).headers["content-type"] == "image/avif"
    assert edge.ask(PHOTO).body == BODY
    assert edge.shelf.finds[-1] == ("", "abCD1234.jpg")


def test_the_first_answer_says_that_it_was_fetched_and_how_long_that_took(edge: Served) -> None:
    edge.shelf.put("fresh-1x1.webp", b"fresh")
    answer = edge.ask(f"/{BUCKET}/fresh-1x1.webp")
    assert answer.headers["cache-status"] == "calotype; fwd=uri-miss"
    steps = [step.split(";")[0] for step in answer.headers["server-timing"].split(", ")]
    assert steps == ["disk", "find", "fetch"]


@pytest.mark.parametrize(("section", "case"), table(ANSWERS))
def test_answers_are_what_the_rfcs_say(edge: Served, section: str, case: Case) -> None:
    method, path = case.request.split(" ")
    answer = edge.ask(path, *case.lines, method=method)
    assert answer.status == case.status, section
    if method == "GET":
        answer = edge.ask(path, *case.lines)  # now it is in memory
    assert {name: answer.headers.get(name) for name in case.headers} == case.headers, section
    assert bool(answer.body) == (method not in {"HEAD", "OPTIONS"} and case.status != 304)


@pytest.mark.parametrize(("section", "lines", "status"), table(CONDITIONS))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_are_judged_as_rfc_9110_says(
    edge: Served, method: str, section: str, lines: tuple[str, ...], status: int
) -> None:
    answer = edge.ask(PICTURE, *lines, method=method)
    assert answer.status == status, section
    assert answer.body == (BODY if (status, method) == (200, "GET") else answer.body)
    if method == "HEAD" or status == 304:
        assert answer.body == b""
    if status == 412:
        assert answer.headers["cache-control"] == "no-store"


def test_a_304_carries_what_a_cache_must_update_and_nothing_of_the_body(edge: Served) -> None:
    headers = edge.ask(PICTURE, f"If-None-Match: {TAG}").headers
    assert headers["etag"] == TAG
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["last-modified"] == MODIFIED_TEXT
    assert headers["access-control-allow-origin"] == "*"
    assert "date" in headers
    assert not [name for name in headers if name.startswith("content-")]


@pytest.mark.parametrize(("section", "lines", "part"), table(RANGES))
def test_a_single_part_can_be_asked_for(
    edge: Served, section: str, lines: tuple[str, ...], part: tuple[int, int] | None
) -> None:
    answer = edge.ask(PICTURE, *lines)
    first, last = part or (0, len(BODY) - 1)
    assert answer.body == BODY[first : last + 1], section
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["etag"] == TAG
    assert answer.status == (206 if part else 200)
    assert answer.headers.get("content-range") == (f"bytes {first}-{last}/1000" if part else None)


@pytest.mark.parametrize(
    "wanted", ["1000-", "1000-1000", "5000-6000", "-0", "-000", "99999999999999999999-"]
)
def test_a_part_beyond_the_end_is_416_and_says_the_size(edge: Served, wanted: str) -> None:
    answer = edge.ask(PICTURE, f"Range: bytes={wanted}")
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */1000"
    assert answer.headers["cache-control"] == "no-store"


def test_a_range_means_nothing_to_head(edge: Served) -> None:
    for wanted in ("bytes=0-4", "bytes=5000-"):
        answer = edge.ask(PICTURE, f"Range: {wanted}", method="HEAD")
        assert (answer.status, answer.headers["content-length"]) == (200, "1000")
        assert "content-range" not in answer.headers


@pytest.mark.parametrize("path", [PICTURE, FOLDED, REPLACEABLE, PHOTO, GONE, MISSING, "/nothing"])
def test_head_says_what_get_says_without_the_body(edge: Served, path: str) -> None:
    edge.ask(path)  # so that both come out of the same cache
    get, head = edge.ask(path), edge.ask(path, method="HEAD")
    assert head.body == b""
    assert head.status == get.status
    assert without_clock(head.headers) == without_clock(get.headers)
    assert get.headers["content-length"] == str(len(get.body))


def without_clock(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "date"}


@pytest.mark.parametrize(
    "method",
    ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "PURGE", "get", "QUERY"],
)
@pytest.mark.parametrize("path", [PICTURE, MISSING, "/nothing"])
def test_other_methods_are_refused_and_told_which_there_are(
    edge: Served, method: str, path: str
) -> None:
    answer = edge.ask(path, method=method)
    if method == "CONNECT":  # its target is no path; granian refuses it or hands us an empty one
        assert answer.status in {400, 405}
        return
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["cache-control"] == "no-store"


def test_a_refused_upload_does_not_break_the_connection(edge: Served) -> None:
    assert edge.ask(PICTURE, "Content-Length: 0", method="POST").status == 405
    assert edge.ask(PICTURE).status == 200


@pytest.mark.parametrize("path", [PICTURE, MISSING, "*", "/"])
def test_a_preflight_is_answered_for_anybody(edge: Served, path: str) -> None:
    answer = edge.ask(
        path,
        "Origin: https://example.com",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: range",
        method="OPTIONS",
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "*"
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert "content-length" not in answer.headers


def test_what_never_was_is_404_and_what_was_deleted_is_410(edge: Served) -> None:
    for path, status, age in ((MISSING, 404, 5), (GONE, 410, 60)):
        for _ in range(2):
            answer = edge.ask(path)
            assert answer.status == status
            assert answer.headers["cache-control"] == f"public, max-age={age}"
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("line", ["If-None-Match: *", "If-Match: *", "Range: bytes=0-4"])
def test_conditions_on_nothing_change_nothing(edge: Served, line: str) -> None:
    assert edge.ask(MISSING, line).status == 404


NOT_OURS = [
    "/",
    "//",
    "/favicon.ico",
    "/robots.txt",
    "/index.html",
    f"/{BUCKET}",
    f"/{BUCKET}/",
    f"/{BUCKET}//a-1x1.webp",
    f"//{BUCKET}/a-1x1.webp",
    f"/{BUCKET}/a-1x1.webp/",
    f"/{BUCKET}/a-1x1.webp%0A",
    f"/{BUCKET}/a-1x1.webp%00",
    f"/{BUCKET}/a-1x1.webp%00.png",
    f"/{BUCKET}/a-1x1",
    f"/{BUCKET}/a-1x1.svg",
    f"/{BUCKET}/a-1x1.html",
    f"/{BUCKET}/a-1x1.webp.html",
    f"/{BUCKET}/.webp",
    f"/{BUCKET}/A-1X1.WEBP",
    f"/{BUCKET}/a%201.webp",
    f"/{BUCKET}/a+1.webp",
    f"/{BUCKET}/a;1.webp",
    f"/{BUCKET}/a:1.webp",
    f"/{BUCKET}/%C3%A9-1x1.webp",
    f"/{BUCKET}/a-1x1.%E2%84%AAwebp",
    f"/{BUCKET}/../{BUCKET}/a-1x1.webp",
    f"/{BUCKET}/./a-1x1.webp",
    f"/{BUCKET}/..%2Fa-1x1.webp",
    f"/{BUCKET}/%2e%2e/a-1x1.webp",
    f"/{BUCKET}/%252e%252e/a-1x1.webp",
    f"/{BUCKET}/..%5Ca-1x1.webp",
    f"/{BUCKET}/.hidden/a-1x1.webp",
    f"/{BUCKET}/a%FFb-1x1.webp",
    f"/{BUCKET}/a%zz.webp",
    f"/{BUCKET}/" + "a" * 200 + ".webp",
    f"/{BUCKET}/" + "f/" * 9 + "a-1x1.webp",
    f"/{BUCKET}/" + "f" * 65 + "/a-1x1.webp",
    "/short/a-1x1.webp",
    f"/{'b' * 41}/a-1x1.webp",
    "/bucket-1/a-1x1.webp",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/etc/passwd",
    "/....//....//etc/passwd",
    "/abCD123.jpg",
    "/abCD12345.jpg",
    "/abCD1234.JPG",
    "/abCD1234",
    "/" + "a" * 8000,
]


@pytest.mark.parametrize("path", NOT_OURS)
def test_an_address_we_could_not_have_made_is_refused_unlooked_up(edge: Served, path: str) -> None:
    before = len(edge.shelf.finds)
    answer = edge.ask(path)
    assert answer.status == 400
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert len(edge.shelf.finds) == before
    assert path[1:20] not in answer.body.decode() or path == "/"


@pytest.mark.parametrize(
    "path",
    [
        PICTURE.replace("b27c", "%6227c"),
        PICTURE.replace("-", "%2D", 1),
        PICTURE.replace(".webp", "%2ewebp"),
        f"http://edge{PICTURE}",
        f"{PICTURE}?",
        f"{PICTURE}?v=3",
        f"{PICTURE}?v=",
        f"{PICTURE}?v=2026-11-21.1",
    ],
)
def test_other_spellings_of_an_address_mean_the_same_picture(edge: Served, path: str) -> None:
    answer = edge.ask(path)
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize(
    "query", ["w=100", "v=1&w=100", "x", "v=%00", "v=1&v=2", "v=" + "1" * 65, "utm_source=x", "v"]
)
def test_an_unknown_parameter_is_refused_rather_than_ignored(edge: Served, query: str) -> None:
    assert edge.ask(f"{PICTURE}?{query}").status == 400


@pytest.mark.parametrize(
    "lines",
    [
        ("X-Forwarded-Host: evil.example", "X-Forwarded-Proto: gopher", "Forwarded: host=evil"),
        ("Origin: null",),
        ("Accept: image/avif,image/webp", "Accept-Encoding: gzip, br, zstd"),
        ("Accept: application/json",),
        ("Cookie: a=b", "Authorization: Bearer sk_x"),
        ("Cache-Control: no-cache", "Pragma: no-cache"),
        ("Range: bytes=0-4", "Range: \x80\x81"),
        ("X-Long: " + "x" * 30_000,),
        ("Content-Length: 0",),
        ("Expect: 200-maybe",),
        ("DPR: 2", "Save-Data: on"),
    ],
)
def test_headers_that_mean_nothing_to_us_change_nothing(
    edge: Served, lines: tuple[str, ...]
) -> None:
    answer, plain = edge.ask(PICTURE, *lines), edge.ask(PICTURE)
    assert answer.status in {200, 206}
    assert answer.body == BODY[: len(answer.body)]
    if answer.status == 200:
        assert without_clock(answer.headers) == without_clock(plain.headers)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"G\x00ET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n\r\n garbage\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_harms_nobody(edge: Served, request_bytes: bytes) -> None:
    received = edge.raw(request_bytes)
    assert received[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 505"}
    assert edge.ask(PICTURE).status == 200


def test_header_injection_through_the_path_is_impossible(edge: Served) -> None:
    received = edge.raw(
        b"GET /%0d%0aX-Injected:%20yes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    assert b"x-injected" not in received.lower()


def test_one_connection_serves_many_requests_in_order(edge: Served) -> None:
    one = f"GET {PICTURE} HTTP/1.1\r\nHost: a\r\n".encode()
    last = one + b"Connection: close\r\n\r\n"
    received = edge.raw((one + b"Range: bytes=0-0\r\n\r\n") * 5 + last)
    assert received.count(b"HTTP/1.1 206") == 5
    assert received.endswith(BODY)


def test_http_1_0_is_answered_and_closed(edge: Served) -> None:
    received = edge.raw(f"GET {PICTURE} HTTP/1.0\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.0 200")
    assert received.endswith(BODY)


@given(
    size=st.integers(1, 50),
    first=st.one_of(st.none(), st.integers(0, 60)),
    last=st.one_of(st.none(), st.integers(0, 60)),
)
def test_a_range_selects_what_slicing_selects(
    size: int, first: int | None, last: int | None
) -> None:
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    whole = list(range(size))
    expected: list[int] | None
    if first is None:
        expected = None if last is None else whole[-last:] if last else []
    elif last is not None and last < first:
        expected = None
    else:
        expected = whole[first:] if last is None else whole[first : last + 1]
    match read_range(text, size):
        case Slice(low, high):
            assert whole[low : high + 1] == expected
            assert 0 <= low <= high < size
        case "unsatisfiable":
            assert expected == []
        case None:
            assert expected is None


@given(st.text(max_size=300), st.integers(0, 10**9))
def test_any_range_text_is_read_without_harm(text: str, size: int) -> None:
    match read_range(text, size):
        case Slice(low, high):
            assert 0 <= low <= high < size


@given(st.integers(0, 4_102_444_800))
def test_dates_come_back_from_all_three_forms(seconds: int) -> None:
    moment = time.gmtime(seconds)
    assert read_date(write_date(seconds)) == seconds
    assert read_date(time.asctime(moment)) == seconds
    if moment.tm_year < 2070:
        assert read_date(time.strftime("%A, %d-%b-%y %H:%M:%S GMT", moment)) == seconds


@given(st.text(max_size=60))
def test_any_date_text_is_read_without_harm(text: str) -> None:
    assert read_date(text) is None or isinstance(read_date(text), int)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=6), st.booleans())
def test_a_list_of_tags_names_those_in_it(tags: list[tuple[bool, str]], weakly: bool) -> None:
    text = ", ".join(f'W/"{tag}"' if weak else f'"{tag}"' for weak, tag in tags)
    expected = any(tag == "a" and (weakly or not weak) for weak, tag in tags)
    assert lists_tag(text, '"a"', weakly=weakly) == expected


@given(st.text(max_size=200))
def test_no_path_but_its_own_spelling_names_an_address(text: str) -> None:
    address = read_path(text)
    assert address is None or address.path == text


def test_a_reader_cannot_tell_a_copy_in_memory_from_the_stored_bytes(edge: Served) -> None:
    assert hashlib.sha256(edge.ask(PICTURE).body).hexdigest() == TAG[1:-1]
    assert read_date(edge.ask(PICTURE).headers["last-modified"]) == MODIFIED
