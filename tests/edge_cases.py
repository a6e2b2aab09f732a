"""The table of what the edge answers: by section of RFC 9110, 9111, 5861 and 9211, a line a case.

Asked over a raw socket of a real edge under granian by test_edge_http.py.
"""

import hashlib
from typing import Final, NamedTuple

from tests.edge_world import BUCKET, MODIFIED_TEXT

BODY = bytes(range(250)) * 4
TAG = f'"{hashlib.sha256(BODY).hexdigest()}"'
OTHER = f'"{"0" * 64}"'
PICTURE = f"/{BUCKET}/b27c40a1-1b80-4cd7-8a5a-43a7be53806c-1024x1024.webp"
FOLDED = f"/{BUCKET}/summer/2026/a-thumb_small.avif"
REPLACEABLE = f"/{BUCKET}/r-720x405.jpg"
GONE = f"/{BUCKET}/gone-1x1.png"
MISSING = f"/{BUCKET}/missing-1x1.png"
PHOTO = "/abCD1234.jpg"
OLDER, NEWER = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"

Lines = tuple[str, ...]

CONDITIONS: Final[dict[str, list[tuple[Lines, int]]]] = {
    "RFC 9110, 13.1.2: If-None-Match": [
        ((f"If-None-Match: {TAG}",), 304),
        ((f"If-None-Match: W/{TAG}",), 304),
        ((f"If-None-Match: {OTHER}, {TAG}",), 304),
        ((f"If-None-Match: {OTHER},{TAG}",), 304),
        ((f"If-None-Match: W/{OTHER} , W/{TAG}",), 304),
        ((f"If-None-Match: ,, {TAG} ,",), 304),
        ((f"If-None-Match: {OTHER}", f"If-None-Match: {TAG}"), 304),
        (("If-None-Match: *",), 304),
        (("If-None-Match:  * ",), 304),
        ((f"if-NONE-match: {TAG}",), 304),
        ((f"If-None-Match: {OTHER}",), 200),
        ((f"If-None-Match: W/{OTHER}",), 200),
        (('If-None-Match: "*"',), 200),
        ((f"If-None-Match: {TAG[1:-1]}",), 200),
        ((f"If-None-Match: {TAG[:-1]}",), 200),
        ((f"If-None-Match: {TAG.upper()}",), 200),
        ((f'If-None-Match: "{TAG[1:-2]}"',), 200),
        (('If-None-Match: ""',), 200),
        (("If-None-Match:",), 200),
        (('If-None-Match: "a, b"',), 200),
        ((f'If-None-Match: "a, b", {TAG}',), 304),
    ],
    "RFC 9110, 13.1.3 and 5.6.7: If-Modified-Since and the three forms of a date": [
        ((f"If-Modified-Since: {MODIFIED_TEXT}",), 304),
        ((f"If-Modified-Since: {NEWER}",), 304),
        (("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT",), 304),
        (("If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT",), 304),
        (("If-Modified-Since: Tue Nov 14 22:13:20 2023",), 304),
        (("If-Modified-Since: Sat Dec  2 00:00:00 2023",), 304),
        ((f"If-Modified-Since: {OLDER}",), 200),
        (("If-Modified-Since: Tuesday, 14-Nov-23 22:13:19 GMT",), 200),
        (("If-Modified-Since: Tue Nov 14 22:13:19 2023",), 200),
        (("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT",), 200),
        (("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",), 200),
        (("If-Modified-Since: 1700000001",), 200),
        (("If-Modified-Since: never",), 200),
        (("If-Modified-Since:",), 200),
        (("If-Modified-Since: Tue, 14 Nov 2023 22:13:21 +0000",), 200),
        (("If-Modified-Since: Tue, 14 Nov 2023 22:13:21 UTC",), 200),
        (("If-Modified-Since: Wed, 31 Feb 2024 00:00:00 GMT",), 200),
        (("If-Modified-Since: Tue, 14 Nov 2023 25:00:00 GMT",), 200),
        (("If-Modified-Since: 2023-11-15T00:00:00Z",), 200),
        ((f"If-Modified-Since: {NEWER}", f"If-Modified-Since: {NEWER}"), 200),
    ],
    "RFC 9110, 13.1.3: the date is ignored beside a tag": [
        ((f"If-None-Match: {OTHER}", f"If-Modified-Since: {NEWER}"), 200),
        ((f"If-None-Match: {TAG}", f"If-Modified-Since: {OLDER}"), 304),
        (("If-None-Match: nonsense", f"If-Modified-Since: {NEWER}"), 200),
    ],
    "RFC 9110, 13.1.1: If-Match": [
        ((f"If-Match: {TAG}",), 200),
        (("If-Match: *",), 200),
        ((f"If-Match: {OTHER}, {TAG}",), 200),
        ((f"If-Match: {OTHER}",), 412),
        ((f"If-Match: W/{TAG}",), 412),
        (("If-Match: nonsense",), 412),
        (("If-Match:",), 412),
    ],
    "RFC 9110, 13.1.4: If-Unmodified-Since": [
        ((f"If-Unmodified-Since: {MODIFIED_TEXT}",), 200),
        ((f"If-Unmodified-Since: {NEWER}",), 200),
        ((f"If-Unmodified-Since: {OLDER}",), 412),
        (("If-Unmodified-Since: never",), 200),
    ],
    "RFC 9110, 13.2.2: which condition comes first": [
        ((f"If-Match: {TAG}", f"If-Unmodified-Since: {OLDER}"), 200),
        ((f"If-Match: {OTHER}", f"If-Unmodified-Since: {NEWER}"), 412),
        ((f"If-Match: {TAG}", f"If-None-Match: {TAG}"), 304),
        ((f"If-Match: {OTHER}", f"If-None-Match: {TAG}"), 412),
        ((f"If-Unmodified-Since: {OLDER}", f"If-None-Match: {TAG}"), 412),
        ((f"If-None-Match: {TAG}", "Range: bytes=0-4"), 304),
        ((f"If-Match: {OTHER}", "Range: bytes=0-4"), 412),
        ((f"If-Modified-Since: {NEWER}", "Range: bytes=5000-"), 304),
    ],
}
"""Lines of a GET or HEAD for the picture, and the status."""

WHOLE: Final = None
RANGES: Final[dict[str, list[tuple[Lines, tuple[int, int] | None]]]] = {
    "RFC 9110, 14.1.2: one part of the bytes": [
        (("Range: bytes=0-0",), (0, 0)),
        (("Range: bytes=0-4",), (0, 4)),
        (("Range: bytes=10-19",), (10, 19)),
        (("Range: bytes=999-999",), (999, 999)),
        (("Range: bytes=0-999",), (0, 999)),
        (("Range: bytes=0-",), (0, 999)),
        (("Range: bytes=500-",), (500, 999)),
        (("Range: bytes=500-5000",), (500, 999)),
        (("Range: bytes=0-99999999999999999999999999999999999999",), (0, 999)),
        (("Range: bytes=-1",), (999, 999)),
        (("Range: bytes=-500",), (500, 999)),
        (("Range: bytes=-1000",), (0, 999)),
        (("Range: bytes=-5000",), (0, 999)),
        (("Range: bytes=00-04",), (0, 4)),
        (("Range: BYTES=0-4",), (0, 4)),
        (("Range: bytes= 0-4 ",), (0, 4)),
        (("Range: bytes=0-4,",), (0, 4)),
        (("range: bytes=0-4",), (0, 4)),
    ],
    "RFC 9110, 14.2: what is not valid, or no unit of ours, is as if it was not there": [
        (("Range: bytes=4-0",), WHOLE),
        (("Range: bytes=-",), WHOLE),
        (("Range: bytes=",), WHOLE),
        (("Range: bytes",), WHOLE),
        (("Range:",), WHOLE),
        (("Range: 0-4",), WHOLE),
        (("Range: bytes 0-4",), WHOLE),
        (("Range: bytes=a-b",), WHOLE),
        (("Range: bytes=0-4x",), WHOLE),
        (("Range: bytes=0--4",), WHOLE),
        (("Range: bytes=--4",), WHOLE),
        (("Range: bytes=+0-4",), WHOLE),
        (("Range: bytes=0-4-8",), WHOLE),
        (("Range: bytes=0 - 4",), WHOLE),
        (("Range: bytes=0x0-0x4",), WHOLE),
        (("Range: bytes=1.5-3",), WHOLE),
        (("Range: items=0-4",), WHOLE),
        (("Range: none",), WHOLE),
        (("Range: bytes=\xb2-\xb3",), WHOLE),
    ],
    "RFC 9110, 14.2: of several parts the whole is always allowed": [
        (("Range: bytes=0-4,10-14",), WHOLE),
        (("Range: bytes=0-0,-1",), WHOLE),
        (("Range: bytes=5000-,0-4",), WHOLE),
        (("Range: bytes=0-4", "Range: bytes=5-9"), WHOLE),
        (("Range: bytes=" + ",".join("0-" for _ in range(5000)),), WHOLE),
    ],
    "RFC 9110, 13.1.5: If-Range": [
        (("Range: bytes=0-4", f"If-Range: {TAG}"), (0, 4)),
        (("Range: bytes=0-4", f"If-Range: {OTHER}"), WHOLE),
        (("Range: bytes=0-4", f"If-Range: W/{TAG}"), WHOLE),
        (("Range: bytes=0-4", f"If-Range: {TAG}, {OTHER}"), WHOLE),
        (("Range: bytes=0-4", "If-Range: *"), WHOLE),
        (("Range: bytes=0-4", "If-Range:"), WHOLE),
        (("Range: bytes=0-4", f"If-Range: {MODIFIED_TEXT}"), (0, 4)),
        (("Range: bytes=0-4", f"If-Range: {OLDER}"), WHOLE),
        (("Range: bytes=0-4", f"If-Range: {NEWER}"), WHOLE),
        (("Range: bytes=5000-", f"If-Range: {OTHER}"), WHOLE),
        ((f"If-Range: {TAG}",), WHOLE),
    ],
    "RFC 9110, 13.2.2: with conditions that hold": [
        (("Range: bytes=0-4", f"If-Match: {TAG}"), (0, 4)),
        (("Range: bytes=0-4", f"If-None-Match: {OTHER}"), (0, 4)),
        (("Range: bytes=0-4", f"If-Modified-Since: {OLDER}"), (0, 4)),
    ],
}
"""Lines of a GET for the picture, and its first and last byte."""


class Case(NamedTuple):
    """A request, the status, and headers of the answer; None is a header that must be absent."""

    request: str
    status: int
    headers: dict[str, str | None] = {}  # noqa: RUF012  # never changed
    lines: Lines = ()


FOREVER, BRIEFLY = (
    "public, max-age=31536000, immutable",
    "public, max-age=60, stale-while-revalidate=300",
)
METHODS = "GET, HEAD, OPTIONS"
MEMORY = "calotype; hit; detail=memory"
TEXT = "text/plain; charset=utf-8"

ANSWERS: Final[dict[str, list[Case]]] = {
    "RFC 9110, 8.3: the type of the content": [
        Case(f"GET {PICTURE}", 200, {"content-type": "image/webp"}),
        Case(f"GET {FOLDED}", 200, {"content-type": "image/avif"}),
        Case(f"GET {REPLACEABLE}", 200, {"content-type": "image/jpeg"}),
        Case(f"GET {MISSING}", 404, {"content-type": TEXT}),
        Case("GET /nothing", 400, {"content-type": TEXT}),
    ],
    "RFC 9110, 8.4 and 12.5.3: images are not encoded again": [
        Case(f"GET {PICTURE}", 200, {"content-encoding": None}, ("Accept-Encoding: gzip, br",)),
        Case(f"GET {PICTURE}", 200, {"content-encoding": None}, ("Accept-Encoding: identity;q=0",)),
    ],
    "RFC 9110, 8.6: the length is always said": [
        Case(f"GET {PICTURE}", 200, {"content-length": "1000", "transfer-encoding": None}),
        Case(f"HEAD {PICTURE}", 200, {"content-length": "1000", "transfer-encoding": None}),
        Case(f"HEAD {MISSING}", 404, {"transfer-encoding": None}),
        Case(f"GET {PICTURE}", 206, {"content-length": "5"}, ("Range: bytes=0-4",)),
        Case(f"GET {PICTURE}", 304, {"content-length": None}, ("If-None-Match: *",)),
        Case(f"OPTIONS {PICTURE}", 204, {"content-length": None}),
    ],
    "RFC 9110, 8.8: validators, strong and the same for every way to ask": [
        Case(f"GET {PICTURE}", 200, {"etag": TAG, "last-modified": MODIFIED_TEXT}),
        Case(f"HEAD {PICTURE}", 200, {"etag": TAG, "last-modified": MODIFIED_TEXT}),
        Case(f"GET {PICTURE}?v=2", 200, {"etag": TAG, "last-modified": MODIFIED_TEXT}),
        Case(f"GET {PICTURE}", 206, {"etag": TAG}, ("Range: bytes=0-4",)),
        Case(f"GET {MISSING}", 404, {"etag": None, "last-modified": None}),
        Case(f"GET {GONE}", 410, {"etag": None, "last-modified": None}),
        Case(f"GET {PICTURE}", 412, {"etag": None}, ('If-Match: "x"',)),
    ],
    "RFC 9110, 9.1 and 15.5.6: what may be done": [
        Case(f"POST {PICTURE}", 405, {"allow": METHODS}),
        Case(f"PUT {PICTURE}", 405, {"allow": METHODS}, ("Content-Length: 0",)),
        Case(f"DELETE {MISSING}", 405, {"allow": METHODS}),
        Case(f"PURGE {PICTURE}", 405, {"allow": METHODS}),
        Case(f"get {PICTURE}", 405, {"allow": METHODS}),
    ],
    "RFC 9110, 9.3.2: HEAD is GET without the content": [
        Case(f"HEAD {PICTURE}", 304, {"etag": TAG}, ("If-None-Match: *",)),
        Case(f"HEAD {PICTURE}", 412, {}, ('If-Match: "x"',)),
        Case(f"HEAD {PICTURE}", 200, {"content-range": None}, ("Range: bytes=0-4",)),
        Case(f"HEAD {GONE}", 410, {"cache-control": "public, max-age=60"}),
    ],
    "RFC 9110, 9.3.7: OPTIONS": [
        Case(f"OPTIONS {PICTURE}", 204, {"allow": METHODS, "content-type": None}),
        Case("OPTIONS *", 204, {"allow": METHODS}),
        Case(f"OPTIONS {MISSING}", 204, {"allow": METHODS}),
    ],
    "RFC 9110, 10.1.1: an expectation we do not know": [
        Case(f"GET {PICTURE}", 200, {}, ("Expect: the-unexpected",)),
    ],
    "RFC 9110, 12.5.5: Vary only where something was negotiated": [
        Case(f"GET {PICTURE}", 200, {"vary": None}, ("Accept: image/avif",)),
        Case(f"GET {PICTURE}", 200, {"vary": None}, ("Accept: text/html;q=0",)),
        Case(f"GET {PICTURE}", 200, {"vary": None}, ("Origin: https://example.com",)),
        Case(f"GET {PICTURE}", 304, {"vary": None}, ("If-None-Match: *",)),
    ],
    "RFC 9110, 14.3: parts can be asked for": [
        Case(f"GET {PICTURE}", 200, {"accept-ranges": "bytes"}),
        Case(f"HEAD {PICTURE}", 200, {"accept-ranges": "bytes"}),
        Case(f"GET {REPLACEABLE}", 206, {"content-range": "bytes 0-4/1000"}, ("Range: bytes=0-4",)),
    ],
    "RFC 9110, 15.4.5: what a 304 carries": [
        Case(
            f"GET {PICTURE}",
            304,
            {"etag": TAG, "cache-control": FOREVER, "content-type": None, "content-range": None},
            (f"If-None-Match: {TAG}",),
        ),
        Case(f"GET {REPLACEABLE}", 304, {"cache-control": BRIEFLY}, (f"If-None-Match: {TAG}",)),
    ],
    "RFC 9110, 15.5.17: what a 416 carries": [
        Case(
            f"GET {PICTURE}",
            416,
            {"content-range": "bytes */1000", "cache-control": "no-store", "etag": None},
            ("Range: bytes=1000-",),
        ),
    ],
    "RFC 9111, 5.2.2: how long others may keep it": [
        Case(f"GET {PICTURE}", 200, {"cache-control": FOREVER, "expires": None, "pragma": None}),
        Case(f"GET {REPLACEABLE}", 200, {"cache-control": BRIEFLY}),
        Case(f"GET {PHOTO}", 200, {"cache-control": BRIEFLY}),
        Case(f"GET {MISSING}", 404, {"cache-control": "public, max-age=5"}),
        Case(f"GET {GONE}", 410, {"cache-control": "public, max-age=60"}),
        Case("GET /nothing", 400, {"cache-control": "public, max-age=60"}),
        Case(f"POST {PICTURE}", 405, {"cache-control": "no-store"}),
        Case(f"GET {PICTURE}", 412, {"cache-control": "no-store"}, ('If-Match: "x"',)),
        Case(f"OPTIONS {PICTURE}", 204, {"cache-control": "public, max-age=86400"}),
    ],
    "RFC 9111, 5.2.1: a cache that is true need not ask again": [
        Case(f"GET {PICTURE}", 200, {"age": None}, ("Cache-Control: no-cache",)),
        Case(f"GET {PICTURE}", 200, {}, ("Cache-Control: max-age=0",)),
        Case(f"GET {PICTURE}", 200, {}, ("Cache-Control: only-if-cached",)),
        Case(f"GET {PICTURE}", 200, {}, ("Pragma: no-cache",)),
    ],
    "RFC 9111, 3.5: what is public stays public": [
        Case(f"GET {PICTURE}", 200, {"cache-control": FOREVER}, ("Authorization: Bearer x",)),
        Case(f"GET {PICTURE}", 200, {"set-cookie": None}, ("Cookie: a=b",)),
    ],
    "RFC 5861, 3: the old one while the new one is fetched": [
        Case(f"HEAD {REPLACEABLE}", 200, {"cache-control": BRIEFLY}),
    ],
    "RFC 9211: how the cache came by it": [
        Case(f"GET {PICTURE}", 200, {"cache-status": MEMORY}),
        Case(f"HEAD {PICTURE}", 200, {"cache-status": MEMORY}),
        Case(
            f"GET {PICTURE}",
            206,
            {"cache-status": MEMORY},
            ("Range: bytes=0-4",),
        ),
    ],
    "Fetch and CSP: what a page may do with it": [
        Case(f"GET {PICTURE}", 200, {"access-control-allow-origin": "*"}),
        Case(f"GET {MISSING}", 404, {"access-control-allow-origin": "*"}),
        Case(f"GET {PICTURE}", 200, {"access-control-allow-credentials": None}),
        Case(f"GET {PICTURE}", 200, {"cross-origin-resource-policy": "cross-origin"}),
        Case(f"GET {PICTURE}", 200, {"content-security-policy": "default-src 'none'; sandbox"}),
        Case(f"GET {MISSING}", 404, {"content-security-policy": "default-src 'none'; sandbox"}),
        Case(f"GET {PICTURE}", 200, {"x-content-type-options": "nosniff"}),
        Case(f"GET {PICTURE}", 200, {"timing-allow-origin": "*"}),
    ],
}
