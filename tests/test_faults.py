"""The weather that the fault proxy makes is the weather that was ordered."""

import asyncio
import os
from collections.abc import AsyncIterator
from time import monotonic
from typing import Self

import pytest

from tests.faults import FaultProxy


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as upstream:
        async with FaultProxy(*upstream.sockets[0].getsockname()) as proxy:
            yield proxy
        await asyncio.sleep(0.02)  # the echoes see their ends


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readexactly(len(data)), 5)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()


async def connect(proxy: FaultProxy) -> Client:
    return Client(*await asyncio.open_connection(proxy.host, proxy.port))


async def took(client: Client, data: bytes = b"ping") -> float:
    started = monotonic()
    assert await client.ask(data) == data
    return monotonic() - started


async def test_in_fair_weather_everything_passes_unchanged(proxy: FaultProxy) -> None:
    data = os.urandom(5_000_000)
    async with await connect(proxy) as client:
        sending = asyncio.create_task(client.ask(data))
        assert await sending == data
        client.writer.write_eof()
        assert await client.reader.read() == b""
    assert proxy.carried == {"up": len(data), "down": len(data)}
    assert proxy.accepted == 1


async def test_latency_delays_each_way_and_leaves_with_the_next_byte(proxy: FaultProxy) -> None:
    async with await connect(proxy) as client:
        assert await took(client) < 0.1
        proxy.latency(0.15)
        assert 0.3 <= await took(client) < 0.5
        proxy.latency(0.2, ways=("down",))
        proxy.latency(0, ways=("up",))
        assert 0.2 <= await took(client) < 0.35
        await proxy.heal()
        assert await took(client) < 0.1


async def test_latency_costs_no_throughput(proxy: FaultProxy) -> None:
    async with await connect(proxy) as client:
        proxy.latency(0.1, jitter=0.02)
        assert await took(client, os.urandom(4_000_000)) < 1.5


async def test_bandwidth_is_what_was_ordered(proxy: FaultProxy) -> None:
    async with await connect(proxy) as client:
        proxy.bandwidth(200_000, ways=("down",))
        assert 0.45 <= await took(client, os.urandom(100_000)) < 1.0


async def test_a_slicer_hands_on_small_pieces_in_order(proxy: FaultProxy) -> None:
    data = os.urandom(60)
    async with await connect(proxy) as client:
        proxy.slicer(7, pause=0.01, ways=("down",))
        client.writer.write(data)
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < len(data):
            pieces.append(await asyncio.wait_for(client.reader.read(100), 2))
        assert b"".join(pieces) == data
        assert len(pieces) >= 8
        assert max(map(len, pieces)) <= 14


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000])
async def test_a_limit_closes_the_link_after_exactly_that_many_bytes(
    proxy: FaultProxy, size: int
) -> None:
    async with await connect(proxy) as client:
        proxy.limit_data(size, ways=("down",))
        client.writer.write(bytes(100_000))
        assert len(await asyncio.wait_for(client.reader.read(), 2)) == size
    proxy.limit_data(None)
    async with await connect(proxy) as client:
        assert await took(client, bytes(100_000)) < 1


async def test_a_frozen_link_stays_open_silent_and_loses_nothing(proxy: FaultProxy) -> None:
    data = os.urandom(1_000_000)
    async with await connect(proxy) as client:
        proxy.freeze()
        client.writer.write(data)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.2)
        async with await connect(proxy) as late:
            late.writer.write(b"hello")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(late.reader.read(1), 0.1)
            proxy.thaw()
            assert await asyncio.wait_for(late.reader.readexactly(5), 2) == b"hello"
        assert await asyncio.wait_for(client.reader.readexactly(len(data)), 5) == data


async def test_a_reset_breaks_open_links_and_lets_new_ones_in(proxy: FaultProxy) -> None:
    async with await connect(proxy) as client, await connect(proxy) as other:
        await took(client)
        await took(other)
        assert proxy.reset() == 2
        for one in (client, other):
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(one.reader.read(1), 2)
    async with await connect(proxy) as client:
        await took(client)


async def test_a_server_that_is_down_refuses_and_comes_back_on_its_port(proxy: FaultProxy) -> None:
    port = proxy.port
    async with await connect(proxy) as client:
        await took(client)
        assert proxy.down() == 1
        assert await asyncio.wait_for(client.reader.read(1), 2) == b""
        with pytest.raises(ConnectionRefusedError):
            await connect(proxy)
    await proxy.up()
    assert proxy.port == port
    async with await connect(proxy) as client:
        await took(client)


async def test_down_ends_links_that_are_frozen_or_late(proxy: FaultProxy) -> None:
    async with await connect(proxy) as client:
        proxy.latency(60)
        proxy.freeze()
        client.writer.write(b"never")
        await asyncio.sleep(0.05)
        proxy.down()
        assert await asyncio.wait_for(client.reader.read(1), 1) == b""
    await proxy.heal()
    async with await connect(proxy) as client:
        assert await took(client) < 0.1


async def test_an_upstream_that_is_away_closes_the_link(proxy: FaultProxy) -> None:
    async with FaultProxy("127.0.0.1", 1) as nowhere, await connect(nowhere) as client:
        assert await asyncio.wait_for(client.reader.read(1), 2) == b""
    assert proxy.accepted == 0
