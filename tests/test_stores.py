"""Customers' storage: reached through the tunnel alone, named when it fails, left to rest."""

import asyncio
import base64
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.buckets import Credentials
from models.errors import BucketFailed, BucketRefused, InvalidFields
from models.records import Bucket
from models.vault import seal
from pipeline.customers import CustomerStorage
from pipeline.egress import Egress
from pipeline.proving import plain_endpoint, prove
from pipeline.storage import MissingObject, Place, Storage, open_customer, open_folder
from pipeline.stores import Stores
from pipeline.tunnel import Tunnel
from tests.clock import Clock
from tests.faults import FaultProxy
from tests.servers import S3, free_ports

SECRET = "s" * 32
TLS_ONLY = frozenset({443})
SHOP = "shop"


def egress(*ports: int, **more: Any) -> Egress:
    allow = frozenset(("127.0.0.1", port) for port in ports)
    return Egress(allow=allow, ports=TLS_ONLY, **more)


@contextlib.asynccontextmanager
async def tunnel(*ports: int, **more: Any) -> AsyncIterator[Tunnel]:
    opened = Tunnel(egress(*ports, **more))
    async with opened.listening():
        yield opened


@pytest.fixture(scope="session")
def shop(s3: S3) -> Place:
    """A customer's bucket in a real S3, and a customer's keys."""
    s3.make_bucket(SHOP)
    return Place(
        endpoint=s3.endpoint,
        region="us-east-1",
        bucket=SHOP,
        access_key=s3.customer[0],
        secret_key=s3.customer[1],
    )


def changed(place: Place, **fields: str) -> Place:
    return msgspec.structs.replace(place, **fields)


def bucket_at(place: Place, key: str = "mine") -> Bucket:
    keys = Credentials(access_key=place.access_key, secret_key=place.secret_key)
    return Bucket(
        id="some-bucket",
        account_id="somebody",
        key=key,
        public_id="p",
        endpoint=place.endpoint,
        region=place.region,
        remote_bucket=place.bucket,
        credentials=seal(SECRET, msgspec.json.encode(keys), "some-bucket"),
    )


class Listener:
    """A server that counts who comes, and answers everybody the same."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.accepted = 0

    @contextlib.asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError), contextlib.closing(writer):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answer)
            await writer.drain()


def http(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", body]).encode()


# The tunnel


async def ask(opened: Tunnel, line: str, token: str | None = None, more: bytes = b"") -> bytes:
    """The first line that the tunnel answers."""
    user = opened.url.removeprefix("http://").rpartition("@")[0] if token is None else token
    proof = base64.b64encode(user.encode()).decode()
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
    with contextlib.closing(writer):
        writer.write(f"{line}\r\nProxy-Authorization: Basic {proof}\r\n\r\n".encode() + more)
        return (await reader.readline()).strip()


FORBIDDEN = (
    "127.0.0.1:443",
    "localhost:443",
    "10.0.0.1:443",
    "169.254.169.254:443",
    "192.168.1.1:443",
    "[::1]:443",
    "[::ffff:127.0.0.1]:443",
    "0x7f.1:443",
    "2130706433:443",
    "1.1.1.1:80",
    "1.1.1.1:22",
    "1.1.1.1:9000",
)


@pytest.mark.parametrize("target", FORBIDDEN)
async def test_the_tunnel_leads_nowhere_but_to_public_addresses_in_tls(target: str) -> None:
    async with tunnel() as opened:
        assert b"403" in await ask(opened, f"CONNECT {target} HTTP/1.1")


async def test_no_forbidden_request_reaches_a_listener() -> None:
    listener = Listener(http("200 OK"))
    async with listener.listening() as port, tunnel() as opened:
        for line in (
            f"CONNECT 127.0.0.1:{port} HTTP/1.1",
            f"CONNECT localhost:{port} HTTP/1.1",
            f"GET http://127.0.0.1:{port}/ HTTP/1.1",
            f"GET http://localhost:{port}/ HTTP/1.1",
        ):
            assert b"403" in await ask(opened, line)
    assert listener.accepted == 0


async def test_a_name_that_changes_its_answer_gains_nothing() -> None:
    listener = Listener(http("200 OK"))
    answers = iter([["1.1.1.1", "127.0.0.1"], ["127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"]])

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    async with listener.listening(), tunnel(resolve=resolve) as opened:
        for _ in range(4):
            assert b"403" in await ask(opened, "CONNECT rebinding.example.com:443 HTTP/1.1")
    assert listener.accepted == 0


async def test_a_checked_name_is_never_resolved_a_second_time() -> None:
    listener = Listener(http("200 OK"))
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with listener.listening() as port, tunnel(port, resolve=resolve) as opened:
        assert b"200" in await ask(opened, f"CONNECT s3.example.com:{port} HTTP/1.1")
    assert asked == ["s3.example.com"]
    assert listener.accepted == 1


async def test_plain_text_goes_only_where_a_test_opened_a_port() -> None:
    async with tunnel() as opened:
        assert b"403" in await ask(opened, "GET http://1.1.1.1:443/ HTTP/1.1")


@pytest.mark.parametrize("token", ["", "calotype:", "calotype:guess", "someone:else"])
async def test_nobody_without_the_token_goes_through_the_tunnel(token: str) -> None:
    listener = Listener(http("200 OK"))
    async with listener.listening() as port, tunnel(port) as opened:
        assert b"407" in await ask(opened, f"CONNECT 127.0.0.1:{port} HTTP/1.1", token)
        assert b"407" in await ask(opened, f"GET http://127.0.0.1:{port}/ HTTP/1.1", token)
    assert listener.accepted == 0


async def test_the_token_is_not_passed_on() -> None:
    listener = Listener(http("200 OK"))
    async with listener.listening() as port, tunnel(port) as opened:
        assert b"200" in await ask(opened, f"GET http://127.0.0.1:{port}/ HTTP/1.1")
    assert "authorization" not in listener.heads[0].lower()


@pytest.mark.parametrize(
    "line",
    ["", "CONNECT", "CONNECT  HTTP/1.1", "GET / HTTP/1.1", "GET https://1.1.1.1/ HTTP/1.1",
     "CONNECT 1.1.1.1:99999 HTTP/1.1", "CONNECT [::1 HTTP/1.1", "GET ftp://1.1.1.1/ HTTP/1.1"],
)  # fmt: skip
async def test_what_is_no_request_is_refused_politely(line: str) -> None:
    async with tunnel() as opened:
        assert (await ask(opened, line)).startswith(b"HTTP/1.1 40")


async def test_an_endless_head_is_refused() -> None:
    async with tunnel() as opened:
        assert b"400" in await ask(opened, f"CONNECT {'a' * 200_000}:443 HTTP/1.1")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts who is not told to, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


async def test_tls_is_spoken_with_the_storage_itself_through_the_tunnel(
    certificate: Path,
) -> None:
    listener = Listener(http("200 OK", "x" * 1_000_000))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    client = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    async with listener.listening(server) as port, tunnel(port) as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        user = opened.url.removeprefix("http://").rpartition("@")[0]
        proof = base64.b64encode(user.encode()).decode()
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n".encode())
        writer.write(f"Proxy-Authorization: Basic {proof}\r\n\r\n".encode())
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(client, server_hostname="127.0.0.1")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        body = await reader.read(-1)
        writer.close()
    assert body.endswith(b"x" * 1_000_000)


async def test_a_storage_that_shows_no_good_certificate_gets_no_request(
    certificate: Path, shop: Place
) -> None:
    listener = Listener(http("200 OK"))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    async with listener.listening(server) as port, tunnel(port) as opened:
        place = changed(shop, endpoint=f"https://127.0.0.1:{port}")
        with pytest.raises(BucketFailed):
            await CustomerStorage(open_customer(place, opened.url), "mine").put("a", b"x")
    assert listener.heads == []


async def test_a_redirect_into_our_network_is_not_followed(shop: Place) -> None:
    inside = Listener(http("200 OK", "secrets"))
    async with inside.listening() as forbidden:
        there = f"Location: http://127.0.0.1:{forbidden}/"
        outside = Listener(http("307 Temporary Redirect", "", there))
        async with outside.listening() as port, tunnel(port) as opened:
            place = changed(shop, endpoint=f"http://127.0.0.1:{port}")
            with pytest.raises(BucketFailed):
                await CustomerStorage(open_customer(place, opened.url), "mine").get("a")
    assert (outside.accepted > 0, inside.accepted) == (True, 0)


async def test_nothing_of_our_environment_reaches_a_customers_storage(
    shop: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {"SESSION_TOKEN": "ours", "ACCESS_KEY_ID": "ours", "SECRET_ACCESS_KEY": "ours"}
    for name, value in ours.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://ours.example.com")
    listener = Listener(http("200 OK", "", "ETag: x"))
    async with listener.listening() as port, tunnel(port) as opened:
        place = changed(shop, endpoint=f"http://127.0.0.1:{port}")
        await open_customer(place, opened.url).put("a", b"x")
    (head,) = listener.heads
    assert "ours" not in head
    assert "security-token" not in head.lower()
    assert shop.access_key in head
    assert shop.secret_key not in head


# A customer's storage


async def test_objects_come_and_go_in_a_customers_bucket(
    shop: Place, s3: S3, tmp_path: Path
) -> None:
    async with tunnel(s3.port) as opened:
        storage = CustomerStorage(open_customer(shop, opened.url), "mine")
        (tmp_path / "print").write_bytes(b"y" * 7_000_000)
        await storage.put("holiday/a.webp", b"small", "image/webp")
        await storage.put("holiday/b.webp", tmp_path / "print", "image/webp")
        assert await storage.get("holiday/a.webp") == b"small"
        assert await storage.get("holiday/b.webp") == b"y" * 7_000_000
        await storage.delete(["holiday/a.webp", "holiday/b.webp", "holiday/never.webp"])
        for key in ("holiday/a.webp", "holiday/b.webp"):
            with pytest.raises(MissingObject):
                await storage.get(key)


async def test_who_reads_a_customers_bucket_directly_is_told_the_type(shop: Place, s3: S3) -> None:
    async with tunnel(s3.port) as opened:
        storage = open_customer(shop, opened.url)
        await storage.put("typed.avif", b"x", "image/avif")
        found = await obstore.get_async(storage._store, "typed.avif")  # noqa: SLF001 as a stranger
        assert found.attributes["Content-Type"] == "image/avif"


async def test_a_storage_that_does_not_let_us_in_is_told_from_one_that_is_away(
    shop: Place, s3: S3
) -> None:
    (nobody,) = free_ports(1)
    gone = Listener(http("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>"))
    async with gone.listening() as empty, tunnel(s3.port, nobody, empty) as opened:
        cases = {
            changed(shop, access_key="wrong"): BucketRefused,
            changed(shop, secret_key="wrong"): BucketRefused,
            changed(shop, endpoint=f"http://127.0.0.1:{empty}"): BucketRefused,
            changed(shop, endpoint=f"http://127.0.0.1:{nobody}"): BucketFailed,
        }
        for place, kind in cases.items():
            with pytest.raises(BucketFailed, match="'mine'") as raised:
                await CustomerStorage(open_customer(place, opened.url), "mine").put("a", b"x")
            assert type(raised.value) is kind
            assert raised.value.status == 502
            for told in (place.endpoint, place.access_key, place.secret_key):
                assert told not in raised.value.sentence


async def test_a_silent_storage_is_given_up(
    shop: Place, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.customers._GET_SECONDS", 0.3)
    async with FaultProxy("127.0.0.1", s3.port) as proxy, tunnel(proxy.port) as opened:
        place = changed(shop, endpoint=f"http://127.0.0.1:{proxy.port}")
        storage = CustomerStorage(open_customer(place, opened.url), "mine")
        await storage.put("a", b"x")
        proxy.freeze()
        with pytest.raises(BucketFailed):
            await storage.get("a")
        proxy.thaw()
        assert await storage.get("a") == b"x"


async def test_a_storage_that_keeps_failing_rests_and_one_at_a_time_looks_whether_it_is_back(
    shop: Place, s3: S3
) -> None:
    clock = Clock()
    async with FaultProxy("127.0.0.1", s3.port) as proxy, tunnel(proxy.port) as opened:
        place = changed(shop, endpoint=f"http://127.0.0.1:{proxy.port}")
        storage = CustomerStorage(open_customer(place, opened.url), "mine", clock)
        proxy.down()
        for _ in range(3):
            storage.refuse_resting()
            with pytest.raises(BucketFailed):
                await storage.put("a", b"x")
        for _ in range(2):
            with pytest.raises(BucketFailed, match="'mine'"):
                storage.refuse_resting()
        clock.now += 11
        storage.refuse_resting()  # the one that may try
        with pytest.raises(BucketFailed):
            storage.refuse_resting()
        await proxy.up()
        await storage.put("a", b"x")
        for _ in range(3):
            storage.refuse_resting()


# The stores


async def test_a_bucket_of_ours_is_in_our_storage(folder_storage: Storage) -> None:
    async with tunnel() as opened:
        ours = Bucket(account_id="a", key="snapix_default_bucket", public_id="p")
        assert Stores(folder_storage, SECRET, opened).of(ours) is folder_storage


async def test_a_customers_storage_is_opened_once_and_again_when_it_changes(
    shop: Place, folder_storage: Storage
) -> None:
    async with tunnel() as opened:
        stores = Stores(folder_storage, SECRET, opened)
        first = stores.of(bucket_at(shop))
        assert stores.of(bucket_at(shop)) is first
        assert stores.of(bucket_at(changed(shop, secret_key="new"))) is not first


async def test_credentials_that_another_secret_sealed_are_refused_by_name(
    shop: Place, folder: Path
) -> None:
    async with tunnel() as opened:
        stores = Stores(open_folder(folder), "another secret", opened)
        with pytest.raises(BucketRefused, match="'mine'"):
            stores.of(bucket_at(shop))


# Proving


async def test_a_storage_that_works_is_proved_and_left_as_it_was(shop: Place, s3: S3) -> None:
    async with tunnel(s3.port) as opened:
        storage = open_customer(shop, opened.url)
        await prove(shop, "proving/", storage, egress(s3.port))
        assert [one async for one in storage.list_under("proving")] == []


async def test_what_fails_in_a_proof_is_named_and_nothing_else(shop: Place, s3: S3) -> None:
    (nobody,) = free_ports(1)
    gone = Listener(http("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>"))
    html = Listener(http("200 OK", "<html>our intranet</html>"))
    async with (
        gone.listening() as empty,
        html.listening() as other,
        tunnel(s3.port, nobody, empty, other) as opened,
    ):
        cases = {
            changed(shop, access_key="wrong"): "accessKey",
            changed(shop, secret_key="wrong"): "accessKey",
            changed(shop, endpoint=f"http://127.0.0.1:{empty}"): "bucket",
            changed(shop, endpoint=f"http://127.0.0.1:{nobody}"): "endpoint",
            changed(shop, endpoint=f"http://127.0.0.1:{other}"): "endpoint",
            changed(shop, endpoint="https://nowhere.invalid"): "endpoint",
        }
        for place, field in cases.items():
            allowed = egress(s3.port, nobody, empty, other)
            with pytest.raises(InvalidFields) as raised:
                await prove(place, "", open_customer(place, opened.url), allowed)
            (problem,) = raised.value.problems
            assert problem.field == field, (place, problem)
            assert not {"intranet", place.secret_key, "127.0.0.1"} & set(problem.problem.split())


@pytest.mark.parametrize(
    ("said", "plain"),
    {
        "https://s3.example.com": "https://s3.example.com",
        " https://S3.Example.com./ ": "https://s3.example.com",
        "https://s3.example.com:443": "https://s3.example.com",
        "https://a.example.com/storage/v1/s3/": "https://a.example.com/storage/v1/s3",
        "http://127.0.0.1:9999": "http://127.0.0.1:9999",
    }.items(),
)
def test_an_endpoint_has_one_spelling(said: str, plain: str) -> None:
    assert plain_endpoint(said, egress(9999)) == plain


@pytest.mark.parametrize(
    "text",
    [
        "", "s3.example.com", "//s3.example.com", "http://s3.example.com", "ftp://s3.example.com",
        "https://s3.example.com:80", "https://s3.example.com:9000", "https://1.1.1.1",
        "https://[2606:4700::1111]", "https://127.0.0.1", "http://127.0.0.1:9998", "https://127.1",
        "https://0x7f.1", "https://user:pass@s3.example.com", "https://s3.example.com?x=1",
        "https://s3.example.com/#x", "https://s3.example.com/../x", "https://s3.example.com//x",
        "https://s3.example.com/%2e%2e/", "https://s3.example.com\r\nHost: x", "https://",
        "https://s3.example.com:x", "https://[", "https://" + "a" * 600,
    ],
)  # fmt: skip
def test_an_endpoint_that_is_no_plain_address_of_a_host_is_refused(text: str) -> None:
    with pytest.raises(InvalidFields):
        plain_endpoint(text, egress(9999))


@given(st.text(max_size=80))
def test_whatever_an_endpoint_is_it_is_read_or_refused(text: str) -> None:
    for said in (text, f"https://{text}", f"https://s3.example.com/{text}"):
        with contextlib.suppress(InvalidFields):
            assert plain_endpoint(said, egress(9999)).isprintable()
