"""Rate limits: a key gets what it may, an address cannot guess, a dead store stops nobody."""

import asyncio
import contextlib
import ipaddress
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rates import Rates, Standing, Strangers, headers_of, network_of, open_rates
from models.errors import TooManyRequests
from models.settings import Settings, SettingsError, read_settings
from tests.servers import free_ports


class Redis:
    """A redis-server on a port of its own; it may be killed."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = folder

    def start(self) -> None:
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            ["redis-server", *options, "--bind", "127.0.0.1", "--dir", self._folder],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while (
            subprocess.run(
                ["redis-cli", "-p", str(self.port), "ping"], capture_output=True, check=False
            ).stdout
            != b"PONG\n"
        ):
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine")
    server = Redis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "memory" else str(request.getfixturevalue("redis").url)


@contextlib.asynccontextmanager
async def counting(store: str, every: str, pixels: str = "") -> AsyncIterator[Rates]:
    rates = Rates(store, every, pixels)
    try:
        yield rates
    finally:
        await rates.aclose()


async def asked(rates: Rates, key: str, times: int, *, pixels: bool = False) -> list[bool]:
    """Whether each of so many requests was allowed."""
    standings = [await rates.count(key, pixels=pixels) for _ in range(times)]
    return [all(one.allowed for one in standing) for standing in standings]


async def test_a_key_gets_exactly_what_it_is_allowed(store: str) -> None:
    async with counting(store, "5/hour") as rates:
        assert await asked(rates, "one", 8) == [True] * 5 + [False] * 3
        assert await asked(rates, "two", 2) == [True] * 2


async def test_a_crowd_gets_no_more_than_one_after_another(store: str) -> None:
    async with counting(store, "20/hour") as rates:
        crowd = await asyncio.gather(*(rates.count("one", pixels=False) for _ in range(60)))
        assert sum(standing[0].allowed for standing in crowd) == 20


async def test_after_the_time_that_is_told_there_is_room_again(store: str) -> None:
    async with counting(store, "3/second") as rates:
        await asked(rates, "one", 3)
        (refused,) = await rates.count("one", pixels=False)
        while refused.allowed:
            (refused,) = await rates.count("one", pixels=False)
        await asyncio.sleep(refused.seconds)
        assert await asked(rates, "one", 1) == [True]


async def test_pixels_have_a_limit_of_their_own(store: str) -> None:
    async with counting(store, "10/hour", "2/hour") as rates:
        assert await asked(rates, "one", 3, pixels=True) == [True, True, False]
        assert await asked(rates, "one", 1) == [True]
        (every, pixels) = await rates.count("one", pixels=True)
        told = headers_of([every, pixels])
        assert (told["ratelimit-limit"], told["ratelimit-remaining"]) == ("2", "0")
        assert told["ratelimit-policy"] == '"requests";q=10;w=3600, "pixels";q=2;w=3600'


async def test_no_limit_says_nothing() -> None:
    async with counting("", "") as rates:
        assert await rates.count("one", pixels=True) == []


async def test_several_gateways_count_together(redis: Redis) -> None:
    async with counting(redis.url, "6/hour") as one, counting(redis.url, "6/hour") as other:
        allowed = [*await asked(one, "k", 4), *await asked(other, "k", 4)]
        assert allowed == [True] * 6 + [False] * 2


async def test_a_store_that_is_away_stops_nobody_and_is_told_once(redis: Redis) -> None:
    async with counting(redis.url, "1/hour") as rates:
        assert await asked(rates, "one", 2) == [True, False]
        redis.kill()
        with structlog.testing.capture_logs() as logs:
            began = time.monotonic()
            assert await asked(rates, "one", 200) == [True] * 200
            assert time.monotonic() - began < 3
        assert [line["event"] for line in logs] == ["nobody counts requests: the store is away"]
        redis.start()
        deadline = time.monotonic() + 10
        while await asked(rates, "two", 2) != [True, False]:
            assert time.monotonic() < deadline, "it is not counted again"
            await asyncio.sleep(0.2)


async def test_a_store_that_says_nothing_costs_a_moment() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with counting(f"redis://127.0.0.1:{port}", "1/hour") as rates:
        began = time.monotonic()
        assert await asked(rates, "one", 50) == [True] * 50
        assert time.monotonic() - began < 3
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.1)  # its connections are closed by then


def test_an_address_may_not_guess() -> None:
    strangers = Strangers("3/minute")
    for _ in range(3):
        strangers.check("192.0.2.1", "Bearer x")
        strangers.wrong("192.0.2.1")
    with pytest.raises(TooManyRequests) as refused:
        strangers.check("192.0.2.1", "Bearer y")
    assert 1 <= (refused.value.retry_after or 0) <= 60
    strangers.check("192.0.2.2", "Bearer y")


def test_a_known_key_passes_from_an_address_that_guesses() -> None:
    strangers = Strangers("1/minute")
    strangers.right("Bearer good")
    strangers.wrong("192.0.2.1")
    strangers.check("192.0.2.1", "Bearer good")
    with pytest.raises(TooManyRequests):
        strangers.check("192.0.2.1", "Bearer bad")


def test_guessing_may_begin_anew_when_its_time_is_over() -> None:
    strangers = Strangers("1/second")
    strangers.wrong("192.0.2.1")
    time.sleep(1.05)
    strangers.check("192.0.2.1", "Bearer bad")


def test_a_million_addresses_fill_no_memory() -> None:
    strangers = Strangers("1/minute")
    for number in range(30_000):
        strangers.wrong(str(ipaddress.ip_address(number + (1 << 24))))
        strangers.right(f"Bearer {number}")
    assert strangers.size <= (10_000, 10_000)


def test_no_limit_lets_everybody_guess() -> None:
    strangers = Strangers("")
    for _ in range(1000):
        strangers.wrong("192.0.2.1")
    strangers.check("192.0.2.1", "Bearer x")


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_a_network_of_version_6_counts_as_one(address: ipaddress.IPv6Address, host: int) -> None:
    neighbour = ipaddress.IPv6Address(int(address) >> 64 << 64 | host)
    if not address.ipv4_mapped and not neighbour.ipv4_mapped:
        assert network_of(str(address)) == network_of(str(neighbour))


@given(st.ip_addresses(v=4))
def test_an_address_of_version_4_counts_alone_however_it_is_written(
    address: ipaddress.IPv4Address,
) -> None:
    assert network_of(str(address)) == network_of(f"::ffff:{address}") == str(address)


standings = st.lists(
    st.builds(
        lambda name, allowed, remaining: (name, allowed, remaining),
        st.sampled_from(["requests", "pixels"]),
        st.booleans(),
        st.integers(0, 100),
    ),
    min_size=1,
    max_size=2,
)


@given(standings)
@settings(max_examples=50)
def test_the_headers_tell_of_the_tightest_limit(drawn: Sequence[tuple[str, bool, int]]) -> None:
    limit = Rates("", "100/minute", "").every[0]
    told = headers_of([Standing(limit, allowed, left, 1) for _, allowed, left in drawn])
    assert told["ratelimit-remaining"] in {str(left) for _, _, left in drawn}
    if all(allowed for _, allowed, _ in drawn):
        assert told["ratelimit-remaining"] == str(min(left for _, _, left in drawn))


@pytest.mark.parametrize("value", ["0/minute", "10", "10/fortnight", "-1/hour", "10 per minute"])
def test_a_limit_that_is_none_stops_the_start(value: str) -> None:
    with pytest.raises(SettingsError, match="CALOTYPE_RATE_LIMIT"):
        read_settings({"CALOTYPE_RATE_LIMIT": value})


@pytest.mark.parametrize("store", ["", "redis://h:1/0", "rediss://h", "valkey://h:6379"])
async def test_every_store_that_settings_allow_can_be_opened(store: str) -> None:
    rates, _ = open_rates(Settings(rate_limit_store=store))
    await rates.aclose()
