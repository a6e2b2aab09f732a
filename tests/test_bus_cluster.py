"""Three NATS servers: copies of everything, and a leader that may be killed in the middle."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from time import monotonic

import pytest

from models.errors import Unavailable
from models.events import PURGES
from models.settings import Settings
from pipeline.bus import Bus, join
from pipeline.bus_leases import BUCKET, Lease, Leases
from pipeline.bus_line import Where
from pipeline.bus_papers import papers_of
from pipeline.bus_proof import refuse_unsynced
from pipeline.bus_streams import PIPELINE, PURGE_STREAM, WORK_STREAM, streams
from pipeline.tasks import end
from tests.guarded import Cluster, nats_cluster

MESSAGES = 150


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with nats_cluster() as started:
        yield started


@contextlib.asynccontextmanager
async def member(cluster: Cluster, replicas: int = 3, first: int = 0) -> AsyncIterator[Bus]:
    """A bus that knows all three, and begins with one of them."""
    urls = cluster.urls.split(",")
    settings = Settings(nats_url=",".join(urls[first:] + urls[:first]), nats_ca=cluster.ca)
    where = Where(settings.nats_url, cluster.servers[0].token, 1.0, papers_of(settings))
    async with contextlib.aclosing(await join(where, replicas, ack_wait=5)) as bus:
        await bus.prepare(60)
        yield bus


async def info(bus: Bus, stream: str) -> dict[str, object]:
    """A stream's, or with `stream.consumer` a consumer's."""
    kind = "CONSUMER" if "." in stream else "STREAM"
    return await bus.ask(f"{kind}.INFO.{stream}")


async def leader(bus: Bus, stream: str) -> str:
    return str((await info(bus, stream))["cluster"]["leader"])  # type: ignore[index]


async def copies(bus: Bus, stream: str) -> int:
    return int((await info(bus, stream))["config"]["num_replicas"])  # type: ignore[index]


async def until_copied(bus: Bus, stream: str, seconds: float = 60) -> None:
    """Until every copy of a stream, or of what is known of a consumer, has caught up."""
    async with asyncio.timeout(seconds):
        while not await _copied(bus, stream):  # noqa: ASYNC110 the servers do not tell
            await asyncio.sleep(0.2)


async def _copied(bus: Bus, stream: str) -> bool:
    with contextlib.suppress(Unavailable, TimeoutError):
        replicas = (await info(bus, stream))["cluster"].get("replicas", ())  # type: ignore[attr-defined]
        return len(replicas) == 2 and all(one.get("current") for one in replicas)
    return False


async def test_everything_has_as_many_copies_as_it_is_told(cluster: Cluster) -> None:
    await refuse_unsynced(cluster.proof)
    async with member(cluster, replicas=1) as bus:
        assert isinstance(await Leases(bus, 1).take("old"), Lease)
        assert await copies(bus, f"KV_{BUCKET}") == 1
    async with member(cluster, replicas=3) as bus:
        assert isinstance(await take_soon(Leases(bus, 3)), Lease)
        for name in (*(str(config.name) for config in streams(3)), f"KV_{BUCKET}"):
            assert await copies(bus, name) == 3, name
            await until_copied(bus, name)


async def test_a_killed_leader_loses_nothing_and_is_caught_up_with(cluster: Cluster) -> None:
    """kill -9 while messages are stored, worked on and followed."""
    worked: list[bytes] = []
    followed: list[bytes] = []
    async with (
        member(cluster) as sender,
        member(cluster, first=1) as worker,
        member(cluster, first=2) as edge,
    ):
        for stream in (WORK_STREAM, PURGE_STREAM):
            await until_copied(sender, stream)
        working = asyncio.create_task(work(worker, worked))
        following = asyncio.create_task(follow(edge, followed))
        # In its first second a consumer is known to one server, and stands still without that.
        await until_copied(sender, f"{WORK_STREAM}.{PIPELINE}")
        sending = asyncio.create_task(send(sender))
        await enough(worked, MESSAGES // 5, 60)
        killed = cluster.named(await leader(sender, WORK_STREAM))
        killed.kill()
        died = monotonic()
        sent = await asyncio.wait_for(sending, 120)
        await enough(worked, MESSAGES, 90)
        await enough(followed, MESSAGES, 90)
        caught_up = monotonic() - died
        assert set(worked) == set(followed) == sent
        assert await leader(sender, WORK_STREAM) != killed.name
        assert isinstance(await take_soon(Leases(sender, 3)), Lease)
        killed.start()
        for stream in (WORK_STREAM, PURGE_STREAM, f"KV_{BUCKET}"):
            await until_copied(sender, stream)
        await end(working)
        await end(following)
    print(f"all worked on and followed {caught_up:.1f} s after the kill")  # noqa: T201 a figure


async def send(bus: Bus) -> set[bytes]:
    """What was acknowledged, which is everything that was asked."""
    told = set()
    for number in range(MESSAGES):
        data = str(number).encode()
        await bus.publish(f"calotype.orders.{number}", data, f"order-{number}")
        await bus.publish(f"{PURGES}.{number}", data, f"purge-{number}")
        told.add(data)
    return told


async def work(bus: Bus, worked: list[bytes]) -> None:
    async for delivery in bus.work():
        if delivery is not None:
            worked.append(delivery.data)
            with contextlib.suppress(Unavailable):  # it may have been heard: then it stays done
                await delivery.done()


async def follow(bus: Bus, followed: list[bytes]) -> None:
    """As an edge does: from where it stopped."""
    seen = 0
    while True:
        with contextlib.suppress(Unavailable):
            async for said in bus.purges(seen):
                if said is not None:
                    seen = said.seq
                    followed.append(said.data)
        await asyncio.sleep(0.1)


async def enough(heard: list[bytes], count: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while len(set(heard)) < count:  # noqa: ASYNC110 it is a list
            await asyncio.sleep(0.05)


async def take_soon(leases: Leases) -> Lease | None:
    """A lease as soon as its bucket has a leader again."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(Unavailable):
                return await leases.take("after")
            await asyncio.sleep(0.2)
