"""Originals from elsewhere: the picture behind a URL, streamed and bounded."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol
from urllib.parse import unquote

import httpcore2
import httpx2

from models.errors import BadSource, ForbiddenSource, SourceTooSlow, TooLarge
from models.wire import Wire
from pipeline.egress import Egress, GuardedBackend, check_host, plain_host

MAX_URL = 8192
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CRUMB = 64  # bytes; a body in smaller pieces than this costs more work than it brings
FREE_PIECES = 4096
COMPRESSIONS = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"})

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r'filename\s*=\s*(?:"([^"]*)"|([^;\s"]+))', re.IGNORECASE)
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Sink(Protocol):
    """Where the bytes go."""

    async def write(self, data: bytes, /) -> object:
        """Take the next bytes."""


class FetchLimits(Wire, frozen=True):
    """How long and how much. Seconds, bytes."""

    max_bytes: int = 50 * 1024 * 1024
    total: float = 30.0
    connect: float = 5.0
    read: float = 10.0
    redirects: int = 5


class Fetched(Wire, frozen=True):
    """What arrived. The hints are the source's own words: clean of control bytes, never trusted."""

    size: int
    content_type_hint: str
    file_name_hint: str
    final_url: str


DEFAULT_LIMITS = FetchLimits()


async def fetch_original(
    url: str, sink: Sink, egress: Egress, limits: FetchLimits = DEFAULT_LIMITS
) -> Fetched:
    """Stream what a URL leads to into a sink.

    Raises ForbiddenSource (400), TooLarge (413), BadSource (502) or SourceTooSlow (504); what the
    sink raises comes through as it is. The sink may have taken bytes by then: throw them away.
    """
    try:
        async with asyncio.timeout(limits.total) as deadline:
            return await _follow(read_url(url, egress), sink, egress, limits)
    except TimeoutError as error:
        if deadline.expired():
            raise SourceTooSlow from error
        raise


def read_url(text: str, egress: Egress) -> httpx2.URL:
    """A URL that may be tried, in its one spelling: plain host, no fragment. Asks no resolver."""
    if len(text) > MAX_URL:
        raise ForbiddenSource("The source URL is too long.")
    try:
        url = httpx2.URL(text.strip())
    except (httpx2.InvalidURL, ValueError) as error:
        raise ForbiddenSource("The source URL is not valid.") from error
    return _plain(url, egress)


def _plain(url: httpx2.URL, egress: Egress) -> httpx2.URL:
    if url.scheme not in {"http", "https"} or not url.raw_host:
        raise ForbiddenSource("A source URL must begin with http:// or https://.")
    if url.userinfo:
        raise ForbiddenSource("A source URL may not carry a user name or password.")
    host = plain_host(url.raw_host.decode("ascii"))
    check_host(egress, host, _port(url))
    return url.copy_with(host=host, fragment=None)


def _port(url: httpx2.URL) -> int:
    default = 443 if url.scheme == "https" else 80
    return default if url.port is None else url.port


async def _follow(url: httpx2.URL, sink: Sink, egress: Egress, limits: FetchLimits) -> Fetched:
    for _ in range(limits.redirects + 1):
        async with _get(url, egress, limits) as response:
            headers = httpx2.Headers(response.headers)
            if response.status not in REDIRECTS:
                return await _take(url, response, headers, sink, limits)
        url = _next(url, headers, egress)
    raise BadSource("The source URL redirects too often.")


def _next(url: httpx2.URL, headers: httpx2.Headers, egress: Egress) -> httpx2.URL:
    if "location" not in headers:
        raise BadSource("The source URL redirects to nowhere.")
    try:
        onward = url.join(headers["location"])
    except (httpx2.InvalidURL, ValueError) as error:
        raise ForbiddenSource("The source URL redirects to one that is not valid.") from error
    return read_url(str(onward), egress)


@asynccontextmanager
async def _get(
    url: httpx2.URL, egress: Egress, limits: FetchLimits
) -> AsyncIterator[httpcore2.Response]:
    """One request on a connection of its own. httpcore reads no proxy, cookie or netrc."""
    backend = GuardedBackend(egress)
    timeout = {"connect": limits.connect, "read": limits.read, "write": limits.read}
    with _named_failures():
        async with (
            httpcore2.AsyncConnectionPool(
                ssl_context=egress.tls, network_backend=backend, max_keepalive_connections=0
            ) as pool,
            pool.stream(
                "GET", _target(url), headers=_headers(url, egress), extensions={"timeout": timeout}
            ) as response,
        ):
            yield response


def _target(url: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=_port(url), target=url.raw_path
    )


def _headers(url: httpx2.URL, egress: Egress) -> list[tuple[bytes, bytes]]:
    return [
        (b"Host", url.netloc),
        (b"User-Agent", egress.user_agent.encode("ascii")),
        (b"Accept", b"image/*,*/*;q=0.5"),
        (b"Accept-Encoding", b"identity"),
        (b"CDN-Loop", egress.name.encode("ascii")),
        (b"Connection", b"close"),
    ]


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise SourceTooSlow from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, ssl.SSLError) as error:
        raise BadSource from error


async def _take(
    url: httpx2.URL,
    response: httpcore2.Response,
    headers: httpx2.Headers,
    sink: Sink,
    limits: FetchLimits,
) -> Fetched:
    _check_answer(response.status, headers, limits)
    size = pieces = 0
    async for data in response.aiter_stream():
        size, pieces = size + len(data), pieces + 1
        if size > limits.max_bytes:
            raise TooLarge
        if pieces > FREE_PIECES + size // CRUMB:
            raise BadSource("The source URL answered in too many small pieces.")
        await sink.write(data)
    if size == 0:
        raise BadSource("The source URL answered with an empty file.")
    return Fetched(
        size=size,
        content_type_hint=hinted_type(headers),
        file_name_hint=hinted_name(url, headers),
        final_url=str(url),
    )


def _check_answer(status: int, headers: httpx2.Headers, limits: FetchLimits) -> None:
    if status not in {200, 203}:
        raise BadSource(f"The source URL answered with status {status}.")
    codings = {coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")}
    if codings & COMPRESSIONS:  # asked for identity; unpacking for strangers invites bombs
        raise BadSource("The source URL answered with a compressed body.")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.max_bytes:
        raise TooLarge


def hinted_type(headers: httpx2.Headers) -> str:
    """The media type that the source claims, in lower case and without parameters; or nothing."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else ""


def hinted_name(url: httpx2.URL, headers: httpx2.Headers) -> str:
    """The source's name for the file, from Content-Disposition or the path; may be empty."""
    said = _said_name(headers.get("content-disposition", "")[:1024])
    name = said or unquote(url.raw_path.partition(b"?")[0].decode("ascii"))
    name = _UNSPEAKABLE.sub("", name.replace("\\", "/")).rpartition("/")[2].strip()
    return "" if name in {".", ".."} else name[:255]


def _said_name(disposition: str) -> str:
    if extended := _EXTENDED_NAME.search(disposition):
        return unquote(extended[1])
    plain = _PLAIN_NAME.search(disposition)
    return (plain[1] or plain[2] or "") if plain else ""
