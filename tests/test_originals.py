"""A URL's picture arrives whole and bounded, or its source is named as the cause."""

import asyncio
import gzip
import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import monotonic

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import BadSource, ForbiddenSource, ServiceError, SourceTooSlow, TooLarge
from pipeline.egress import Egress
from pipeline.originals import Fetched, FetchLimits, fetch_original, hinted_name, hinted_type
from tests.forbidden import listening

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

LIMITS = FetchLimits(max_bytes=1_000_000, total=1.5, connect=0.4, read=0.4)
PATIENT = FetchLimits(max_bytes=1_000_000, total=30, connect=10, read=10)
WITHOUT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Basket:
    """A sink that keeps everything."""

    data: bytearray = field(default_factory=bytearray)

    async def write(self, data: bytes, /) -> None:
        self.data += data


@dataclass
class Source:
    """An HTTP server that says exactly what it is told, with bad manners."""

    port: int
    requests: list[str] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    basket: Basket = field(default_factory=Basket)

    def egress(self, **changes: object) -> Egress:
        pairs = {("127.0.0.1", self.port), ("127.0.0.2", self.port)}
        return Egress(**{"allow": frozenset(pairs), "tls": WITHOUT_TLS, **changes})  # type: ignore[arg-type] - fields by name

    async def fetch(self, path: str = "/", limits: FetchLimits = LIMITS) -> Fetched:
        url = f"http://127.0.0.1:{self.port}{path}"
        return await fetch_original(url, self.basket, self.egress(), limits)


@asynccontextmanager
async def source(
    answer: Answer | str | bytes, *, tls: ssl.SSLContext | None = None, hears: bool = True
) -> AsyncIterator[Source]:
    """Serve one answer to every request until the test is done."""
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if hears:
                here.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if callable(answer):
                await answer(writer)
            else:
                writer.write(answer if isinstance(answer, bytes) else answer.encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            here.gone.set()
        finally:
            writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls) as server:
        here = Source(port=server.sockets[0].getsockname()[1])
        try:
            yield here
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)


def forever(first: str, piece: bytes, pause: float = 0) -> Answer:
    """Headers, then the same piece again and again."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(first.encode())
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def redirect(to: str, status: int = 302) -> str:
    return f"HTTP/1.1 {status} Go\r\nLocation: {to}\r\n\r\n"


async def test_a_picture_arrives_with_what_its_source_says_about_it() -> None:
    said = 'Content-Type: Image/PNG; q=1\r\nContent-Disposition: inline; filename="a b.png"\r\n'
    async with source(f"{OK}{said}Content-Length: 5\r\n\r\nbytes") as here:
        fetched = await here.fetch("/x/y.png?z=1#part")
        assert bytes(here.basket.data) == b"bytes"
        assert fetched == Fetched(
            size=5,
            content_type_hint="image/png",
            file_name_hint="a b.png",
            final_url=f"http://127.0.0.1:{here.port}/x/y.png?z=1",
        )


async def test_a_request_says_who_asks_and_carries_nothing_else() -> None:
    async with source(f"{OK}Content-Length: 1\r\n\r\nx") as here:
        egress = here.egress(user_agent="Ours/1.0", name="edge-7")
        await fetch_original(f"HTTP://127.0.0.1:{here.port}", here.basket, egress, LIMITS)
        assert here.requests[0].splitlines() == [
            "GET / HTTP/1.1",
            f"Host: 127.0.0.1:{here.port}",
            "User-Agent: Ours/1.0",
            "Accept: image/*,*/*;q=0.5",
            "Accept-Encoding: identity",
            "CDN-Loop: edge-7",
            "Connection: close",
            "",
        ]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_large_picture_arrives_byte_for_byte_however_it_is_framed(framing: str) -> None:
    picture = os.urandom(8_000_000)
    chunks = (picture[at : at + 70_001] for at in range(0, len(picture), 70_001))
    answers = {
        "length": f"{OK}Content-Length: {len(picture)}\r\n\r\n".encode() + picture,
        "chunked": CHUNKED.encode()
        + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        + b"0\r\n\r\n",
        "close": b"HTTP/1.0 200 OK\r\n\r\n" + picture,
    }
    async with source(answers[framing]) as here:
        fetched = await here.fetch(limits=FetchLimits(max_bytes=len(picture)))
        assert fetched.size == len(picture)
        assert sha256(here.basket.data).digest() == sha256(picture).digest()


async def test_a_declared_size_over_the_limit_is_refused_before_a_byte_is_taken() -> None:
    async with source(forever(f"{OK}Content-Length: 1000001\r\n\r\n", b"x" * 65536)) as here:
        with pytest.raises(TooLarge):
            await here.fetch()
        assert here.basket.data == b""


async def test_an_endless_body_is_cut_at_the_limit_and_its_connection_closed() -> None:
    async with source(forever(CHUNKED, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")) as here:
        with pytest.raises(TooLarge):
            await here.fetch()
        assert len(here.basket.data) <= LIMITS.max_bytes
        await asyncio.wait_for(here.gone.wait(), 2)


@pytest.mark.parametrize(
    "answer",
    [
        forever("", b"", 0.1),
        forever("HTTP/1.1 200 OK\r\nX-Slow: ", b"y", 0.1),
        forever("", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.05),
        forever(f"{OK}Content-Length: 100\r\n\r\nhalf", b"", 0.1),
        forever(f"{OK}Content-Length: 100\r\n\r\nhalf", b"d", 0.1),
        forever(CHUNKED, b"1;ext=1\r\nx\r\n", 0.1),
    ],
    ids=["silence", "header drip", "endless hints", "stall", "body drip", "chunk drip"],
)
async def test_a_source_that_keeps_us_waiting_is_left(answer: Answer) -> None:
    async with source(answer) as here:
        started = monotonic()
        with pytest.raises(SourceTooSlow):
            await here.fetch()
        assert monotonic() - started < LIMITS.total + 0.5


@pytest.mark.parametrize("said", ["", f"{OK}Content-Length: 100\r\n\r\nhalf"])
async def test_silence_is_left_long_before_the_last_deadline(said: str) -> None:
    patient = FetchLimits(total=30, connect=5, read=0.3)
    async with source(forever(said, b"", 0.1)) as here:
        with pytest.raises(SourceTooSlow):
            await asyncio.wait_for(here.fetch(limits=patient), 5)


async def test_a_source_that_never_finishes_the_handshake_is_left() -> None:
    async with source(forever("", b"", 0.1)) as here:
        with pytest.raises(SourceTooSlow):
            await fetch_original(
                f"https://127.0.0.1:{here.port}/", here.basket, here.egress(), LIMITS
            )


async def test_a_stalled_name_server_stalls_nothing_but_fetches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    real = socket.getaddrinfo

    def stalling(host: str, *rest: object, **named: object) -> object:
        if host == "stall.invalid":
            released.wait(20)
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", stalling)
    egress, limits = Egress(tls=WITHOUT_TLS), FetchLimits(total=0.5)
    urls = ["http://stall.invalid/"] * 64
    fetches = [asyncio.create_task(fetch_original(url, Basket(), egress, limits)) for url in urls]
    await asyncio.sleep(0.1)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "on time"), 0.3) == "on time"
        ends = await asyncio.gather(*fetches, return_exceptions=True)
        assert {type(end) for end in ends} == {SourceTooSlow}
    finally:
        released.set()


async def test_a_resolver_that_never_answers_is_left() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return [host, str(port)]

    egress = Egress(resolve=resolve, tls=WITHOUT_TLS)
    with pytest.raises(SourceTooSlow):
        await fetch_original("https://photos.example/", Basket(), egress, FetchLimits(total=0.2))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Len",
        f"{OK}Content-Length: 100\r\n\r\ntoo short",
        f"{CHUNKED}5\r\nbytes\r\n",
        f"{CHUNKED}zz\r\nbytes\r\n",
        f"{OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nbytes!",
        f"{OK}Content-Length: -5\r\n\r\nbytes",
        f"{OK}Content-Length: {'9' * 5000}\r\n\r\nbytes",
        f"{OK}Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nbytes\r\n0\r\n\r\n",
        f"{OK}X: {'y' * 300_000}\r\n\r\n",
        f"{OK}Content-Length: 0\r\n\r\n",
        f"{CHUNKED}0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\npart",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 302 Go\r\n\r\n",
    ],
)
async def test_a_source_that_fails_is_named_as_the_cause(answer: str) -> None:
    async with source(answer) as here:
        with pytest.raises(BadSource):
            await here.fetch()


async def test_a_body_longer_than_it_says_is_taken_to_its_length() -> None:
    async with source(f"{OK}Content-Length: 5\r\n\r\nbytes and more") as here:
        assert (await here.fetch()).size == 5
        assert here.basket.data == b"bytes"


async def test_early_hints_and_odd_encodings_do_no_harm() -> None:
    hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with source(
        f"{hints}{OK}Content-Encoding: utf-8\r\nContent-Length: 5\r\n\r\nbytes"
    ) as here:
        assert (await here.fetch()).size == 5


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip"])
async def test_a_compressed_body_is_refused_unread(coding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000), compresslevel=1)
    head = f"{OK}Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n"
    async with source(head.encode() + bomb) as here:
        with pytest.raises(BadSource, match="compressed"):
            await here.fetch()
        assert here.basket.data == b""


async def test_a_body_in_crumbs_is_refused_before_it_costs_a_core() -> None:
    async with source(forever(CHUNKED, b"1\r\nx\r\n" * 10_000)) as here:
        with pytest.raises(BadSource, match="pieces"):
            await here.fetch()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_five_times(status: int) -> None:
    here: Source

    async def answer(writer: asyncio.StreamWriter) -> None:
        at = int(here.requests[-1].split()[1].rsplit("/")[-1])
        done = f"{OK}Content-Length: 5\r\n\r\nbytes"
        writer.write((redirect(f"{at - 1}", status) if at else done).encode())

    async with source(answer) as here:
        assert (await here.fetch("/a/5", PATIENT)).final_url == f"http://127.0.0.1:{here.port}/a/0"
        with pytest.raises(BadSource, match="too often"):
            await here.fetch("/a/6", PATIENT)
        assert here.basket.data == b"bytes"


async def test_a_redirect_loop_ends() -> None:
    async with source(redirect("/")) as here:
        with pytest.raises(BadSource, match="too often"):
            await here.fetch()
        assert len(here.requests) == 6


@pytest.mark.parametrize(
    "to",
    [
        "http://10.0.0.1/",
        "https://[::1]/",
        "//169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://u:p@93.184.216.34/",
        "http://93.184.216.34:22/",
        "http://[::1/",
        "http://0x7f.1/",
        "gopher://127.0.0.1/",
    ],
)
async def test_a_redirect_to_where_we_do_not_go_is_refused(to: str) -> None:
    async with source(redirect(to)) as here:
        with pytest.raises(ForbiddenSource):
            await here.fetch()
        assert len(here.requests) == 1


async def test_an_address_that_is_down_does_not_hide_the_next_one() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("photos.example", here.port)
        return ["127.0.0.2", "127.0.0.1"]

    async with source(f"{OK}Content-Length: 5\r\n\r\nbytes") as here:
        egress = here.egress(resolve=resolve)
        url = f"http://Photos.Example.:{here.port}/"
        assert (await fetch_original(url, here.basket, egress, LIMITS)).size == 5
        assert f"Host: photos.example:{here.port}\r\n" in here.requests[0]


async def test_a_source_that_is_not_there_is_named_as_the_cause() -> None:
    async with source("") as here:
        pass
    with pytest.raises(BadSource):
        await here.fetch()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for photos.example."""
    pem = tmp_path_factory.mktemp("tls") / "photos.pem"
    subject = ["-subj", "/CN=photos.example", "-addext", "subjectAltName=DNS:photos.example"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    out = ["-keyout", str(pem), "-out", str(pem.with_suffix(".crt"))]
    command = ["openssl", "req", "-x509", *key, "-days", "2", *subject, *out]
    subprocess.run(command, check=True, capture_output=True)
    pem.write_text(pem.read_text() + pem.with_suffix(".crt").read_text())
    return pem


async def loopback(host: str, port: int) -> list[str]:  # noqa: ARG001 - a resolver's signature
    return ["127.0.0.1"]


async def test_https_reaches_the_checked_address_under_the_name_of_the_url(
    certificate: Path,
) -> None:
    names: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    server.sni_callback = lambda _, name, __: names.append(name)
    trusting = ssl.create_default_context(cafile=certificate)
    async with source(f"{OK}Content-Length: 5\r\n\r\nbytes", tls=server) as here:
        egress = here.egress(resolve=loopback, tls=trusting)
        url = f"https://photos.example:{here.port}/"
        assert (await fetch_original(url, here.basket, egress, LIMITS)).size == 5
        assert names == ["photos.example"]
        other = f"https://other.example:{here.port}/"
        with pytest.raises(BadSource):
            await fetch_original(other, here.basket, egress, LIMITS)


async def test_a_tls_record_that_was_tampered_with_is_the_sources_failure(
    certificate: Path,
) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"{OK}Content-Length: 100\r\n\r\nhalf".encode())
        await writer.drain()
        await asyncio.sleep(0.1)
        os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
        await asyncio.sleep(1)

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    async with source(answer, tls=server) as here:
        trusting = ssl.create_default_context(cafile=certificate)
        egress = here.egress(resolve=loopback, tls=trusting)
        with pytest.raises(BadSource):
            await fetch_original(
                f"https://photos.example:{here.port}/", here.basket, egress, FetchLimits()
            )


async def test_a_self_signed_certificate_is_refused(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    async with source(f"{OK}Content-Length: 5\r\n\r\nbytes", tls=server) as here:
        egress = Egress(allow=here.egress().allow, resolve=loopback)
        with pytest.raises(BadSource):
            await fetch_original(
                f"https://photos.example:{here.port}/", here.basket, egress, LIMITS
            )
        assert here.requests == []


async def test_plain_http_behind_an_https_url_is_refused() -> None:
    async with source("HTTP/1.1 400 No\r\n\r\n", hears=False) as here:
        url = f"https://127.0.0.1:{here.port}/"
        with pytest.raises(BadSource):
            await fetch_original(url, here.basket, here.egress(), LIMITS)


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(0) as proxy, source(f"{OK}Content-Length: 5\r\n\r\nbytes") as here:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        assert (await here.fetch()).size == 5
        assert proxy.reached == []


@pytest.mark.parametrize("failure", [OSError("disk full"), TimeoutError("slow disk"), ValueError()])
async def test_what_the_sink_raises_comes_through(failure: Exception) -> None:
    class Broken:
        async def write(self, _: bytes, /) -> None:
            raise failure

    async with source(f"{OK}Content-Length: 5\r\n\r\nbytes") as here:
        with pytest.raises(type(failure)) as raised:
            await fetch_original(f"http://127.0.0.1:{here.port}/", Broken(), here.egress(), LIMITS)
        assert raised.value is failure


async def test_a_caller_who_leaves_takes_the_connection_along() -> None:
    async with source(forever(CHUNKED, b"100\r\n" + b"x" * 256 + b"\r\n", 0.01)) as here:
        fetching = asyncio.create_task(here.fetch(limits=FetchLimits()))
        await asyncio.sleep(0.2)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        await asyncio.wait_for(here.gone.wait(), 2)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.20.30.40/",
        "http://[fd00::10:20]/",
        "http://127.0.0.1:1/",
        "http://internal.example/",
        "http://0x0a141e28/",
        "https://nowhere.example/",
    ],
)
async def test_a_refusal_tells_no_address(url: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:  # noqa: ARG001 - a resolver's signature
        if host == "nowhere.example":
            raise OSError("10.20.30.40 says no")
        return ["10.20.30.40"]

    egress = Egress(resolve=resolve, allow=frozenset({("127.0.0.1", 1)}), tls=WITHOUT_TLS)
    with pytest.raises(ServiceError) as raised:
        await fetch_original(url, Basket(), egress, LIMITS)
    assert raised.value.status in {400, 502}
    assert not re.search(r"\d+\.\d+|::|127|0x|Errno|Traceback", str(raised.value))


@given(st.text(max_size=80), st.text(max_size=200))
@example("/a/..", "")
@example("/a%2f..%2fb%00.png", "")
@example("/", 'attachment; filename="..\\..\\evil.png"')
@example("/", "attachment; filename*=UTF-8''%E2%82%AC%0d%0a.png")
def test_a_hinted_name_is_one_clean_line_without_a_path(path: str, disposition: str) -> None:
    try:
        url = httpx2.URL("http://photos.example").copy_with(path="/" + path)
    except httpx2.InvalidURL:
        return
    headers = httpx2.Headers([(b"content-disposition", disposition.encode("utf-8", "replace"))])
    name = hinted_name(url, headers)
    assert len(name) <= 255
    assert not re.search(r"[/\\\x00-\x1f\x7f]", name)
    assert name not in {".", ".."}
    name.encode()


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/a/caf%C3%A9.png", "", "café.png"),
        ("/a/", "", ""),
        ("/a", 'inline; filename="b c.png"', "b c.png"),
        ("/a", "inline; filename=b.png; size=3", "b.png"),
        ("/a", "inline; filename=b.png; filename*=utf-8'en'%e2%82%ac.png", "€.png"),
        ("/a", 'inline; filename="C:\\pics\\b.png"', "b.png"),
        ("/a.png", "inline", "a.png"),
    ],
)
def test_a_hinted_name_is_what_the_source_meant(path: str, disposition: str, name: str) -> None:
    headers = httpx2.Headers({"content-disposition": disposition})
    assert hinted_name(httpx2.URL(f"http://photos.example{path}?q=/z"), headers) == name


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("image/avif", "image/avif"),
        (" Image/SVG+xml ;charset=x", "image/svg+xml"),
        ("nonsense", ""),
        ("image/<script>", ""),
        ("image/png, text/html", ""),
    ],
)
def test_a_hinted_type_is_a_media_type_or_nothing(said: str, kind: str) -> None:
    assert hinted_type(httpx2.Headers({"content-type": said})) == kind
