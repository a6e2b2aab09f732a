"""Every answer the edge gives: which status, which headers, which bytes."""

from http import HTTPStatus
from typing import Literal

from cdn_edge.entry import Entry
from cdn_edge.http import Ask, Slice, range_applies, read_range, verdict, write_date
from cdn_edge.rsgi import HTTPProtocol, RequestHeaders, Scope
from models.errors import ServiceError

Headers = list[tuple[str, str]]

METHODS = "GET, HEAD, OPTIONS"

_FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=60, stale-while-revalidate=300"
UNCONFIRMED = "public, max-age=60"
"""For a copy that may have been deleted since: nobody downstream is to keep it long."""
_OPEN: Headers = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("timing-allow-origin", "*"),
]
_SAFE: Headers = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; sandbox"),
]
_PREFLIGHT: Headers = [
    ("allow", METHODS),
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", METHODS),
    ("access-control-allow-headers", "*"),
    ("access-control-max-age", "86400"),
    ("cache-control", "public, max-age=86400"),
]
_NEVER: Headers = [("cache-control", "no-store")]
_REFUSAL_AGE = {400: 60, 404: 5, 410: 60}
"""Seconds others may keep a refusal. A 404 may become a picture any moment; a 5xx must not stay."""


class Copy:
    """An entry, its bytes, and the headers of its plain answer from memory, made once."""

    __slots__ = ("body", "confirmed_until", "entry", "etag", "headers")

    def __init__(self, entry: Entry, body: bytes) -> None:
        self.entry = entry
        self.body = body
        self.etag = f'"{entry.etag}"'
        self.confirmed_until = 0.0
        self.headers = describe(self, "hit; detail=memory", "memory")


def describe(copy: Copy, status: str, timing: str, *, age: str | None = None) -> Headers:
    """The headers of a whole answer: what the bytes are, and how we came by them."""
    return [
        ("content-type", copy.entry.content_type),
        ("content-length", str(len(copy.body))),
        *_validators(copy, age),
        ("accept-ranges", "bytes"),
        *_SAFE,
        *_how(status, timing),
    ]


def beside(headers: Headers, more: Headers) -> Headers:
    """Headers and more of them; where the first of those is an age, it is the one that counts."""
    if more and more[0][0] == "cache-control":
        headers = [header for header in headers if header[0] != "cache-control"]
    return headers + more


def control(entry: Entry) -> str:
    """How long others may keep these bytes."""
    return _FOREVER if entry.immutable else BRIEFLY


def _validators(copy: Copy, age: str | None = None) -> Headers:
    return [
        ("etag", copy.etag),
        ("last-modified", write_date(copy.entry.last_modified)),
        ("cache-control", age or control(copy.entry)),
        *_OPEN,
    ]


def _how(status: str, timing: str) -> Headers:
    return [("cache-status", f"calotype; {status}"), ("server-timing", timing)]


def any_condition(headers: RequestHeaders) -> bool:
    """Whether anything is asked but the whole. Written out: a loop costs a hit 0.3 us more."""
    return (
        "if-none-match" in headers
        or "range" in headers
        or "if-modified-since" in headers
        or "if-match" in headers
        or "if-unmodified-since" in headers
    )


def send(scope: Scope, proto: HTTPProtocol, copy: Copy, headers: Headers) -> None:
    """Answer GET or HEAD with this copy, or with what conditions and ranges make of it."""
    ask = asker(scope)
    decided = verdict(ask, copy.etag, copy.entry.last_modified)
    if decided == HTTPStatus.NOT_MODIFIED:
        proto.response_empty(304, _without_content(headers))
    elif decided == HTTPStatus.PRECONDITION_FAILED:
        _send_text(scope, proto, 412, "The condition does not hold.", [*_NEVER, *_OPEN])
    elif scope.method == "HEAD":
        proto.response_empty(200, headers)
    else:
        _send_body(scope, ask, proto, copy, headers)


def _send_body(scope: Scope, ask: Ask, proto: HTTPProtocol, copy: Copy, headers: Headers) -> None:
    part = _part(ask, copy)
    if part is None:
        proto.response_bytes(200, headers, copy.body)
    elif part == "unsatisfiable":
        size = ("content-range", f"bytes */{len(copy.body)}")
        _send_text(scope, proto, 416, "There is no such range.", [size, *_NEVER, *_OPEN])
    else:
        body = copy.body[part.first : part.last + 1]
        span = f"bytes {part.first}-{part.last}/{len(copy.body)}"
        proto.response_bytes(206, _resized(headers, len(body), span), body)


def _part(ask: Ask, copy: Copy) -> Slice | Literal["unsatisfiable"] | None:
    wanted = ask("range")
    if wanted is None:
        return None
    if not range_applies(ask("if-range"), copy.etag, copy.entry.last_modified):
        return None
    return read_range(wanted, len(copy.body))


def _resized(headers: Headers, length: int, span: str) -> Headers:
    rest = [header for header in headers if header[0] != "content-length"]
    return [("content-length", str(length)), ("content-range", span), *rest]


def _without_content(headers: Headers) -> Headers:
    return [header for header in headers if not header[0].startswith("content-")]


def refuse(scope: Scope, proto: HTTPProtocol, error: ServiceError) -> None:
    """Say what is wrong, briefly, and how long that may be believed."""
    age = _REFUSAL_AGE.get(error.status)
    headers: Headers = [("cache-control", f"public, max-age={age}" if age else "no-store"), *_OPEN]
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("allow", METHODS))
    if error.retry_after is not None:
        headers.append(("retry-after", str(error.retry_after)))
    _send_text(scope, proto, error.status, error.sentence, headers)


def permit(proto: HTTPProtocol) -> None:
    """Answer OPTIONS: anybody may read."""
    proto.response_empty(204, _PREFLIGHT)


def asker(scope: Scope) -> Ask:
    """Request headers by name, several lines of one name joined as RFC 9110 says."""
    items = scope.headers.items()

    def ask(name: str) -> str | None:
        lines = [value for key, value in items if key == name]
        return ", ".join(lines) if lines else None

    return ask


def _send_text(
    scope: Scope, proto: HTTPProtocol, status: int, sentence: str, headers: Headers
) -> None:
    body = f"{sentence}\n".encode()
    full = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(body))),
        *_SAFE,
        *headers,
    ]
    if scope.method == "HEAD":
        proto.response_empty(status, full)
    else:
        proto.response_bytes(status, full, body)
