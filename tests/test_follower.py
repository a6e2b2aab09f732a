"""Followers hear every purge in order, or know that they did not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from pipeline.bus import Bus, connect
from pipeline.follower import Mark, follow
from tests.servers import Nats


class Diary:
    """Writes down what a follower is told."""

    def __init__(self) -> None:
        self.heard_: list[bytes] = []
        self.lost_: list[Mark] = []
        self.mark: Mark | None = None
        self.is_sure = False
        self.doubts = 0
        self._news = asyncio.Condition()

    async def heard(self, data: bytes, mark: Mark) -> None:
        self.heard_.append(data)
        self.mark = mark

    async def lost(self, mark: Mark) -> None:
        self.lost_.append(mark)
        self.mark = mark

    def sure(self) -> None:
        self.is_sure = True

    def unsure(self) -> None:
        self.is_sure = False
        self.doubts += 1

    async def until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 the diary is told by calls, not by events
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def following(bus: Bus, mark: Mark | None = None) -> AsyncIterator[Diary]:
    diary = Diary()
    task = asyncio.create_task(follow(bus, mark, diary))
    try:
        yield diary
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def purge(bus: Bus, *numbers: int) -> None:
    for number in numbers:
        await bus.publish("calotype.purges.bucket", b"%d" % number, f"purge-{number}")


async def test_a_new_follower_starts_at_the_end_and_knows_it_missed_the_rest(bus: Bus) -> None:
    await purge(bus, 1, 2)
    async with following(bus) as diary:
        await diary.until(lambda: diary.is_sure)
        assert [mark.seq for mark in diary.lost_] == [2]
        await purge(bus, 3, 4)
        await diary.until(lambda: len(diary.heard_) == 2)
        assert diary.heard_ == [b"3", b"4"]


async def test_a_follower_goes_on_from_its_mark_without_missing_one(bus: Bus) -> None:
    await purge(bus, 1)
    async with following(bus) as diary:
        await diary.until(lambda: diary.is_sure)
        await purge(bus, 2)
        await diary.until(lambda: diary.heard_ == [b"2"])
    await purge(bus, 3, 4, 5)
    async with following(bus, diary.mark) as again:
        await again.until(lambda: again.is_sure)
        assert again.heard_ == [b"3", b"4", b"5"]
        assert again.lost_ == []


async def test_a_follower_is_sure_only_when_it_has_caught_up(bus: Bus) -> None:
    extent = await bus.extent()
    await purge(bus, *range(1, 40))
    async with following(bus, Mark(born=extent.born, seq=0)) as diary:
        await diary.until(lambda: diary.is_sure)
        assert len(diary.heard_) == 39


async def test_a_restart_of_the_server_is_doubted_then_caught_up(nats: Nats, bus: Bus) -> None:
    async with (
        contextlib.aclosing(await connect(nats.url, nats.token)) as other,
        following(bus) as diary,
    ):
        await diary.until(lambda: diary.is_sure)
        await purge(other, 1)
        await diary.until(lambda: diary.heard_ == [b"1"])
        nats.kill()
        await diary.until(lambda: not diary.is_sure, 3)
        nats.start()
        await purge(other, 2, 3)
        await diary.until(lambda: diary.heard_ == [b"1", b"2", b"3"])
        await diary.until(lambda: diary.is_sure)
        assert len(diary.lost_) == 1  # the one of its birth


async def test_a_stream_that_was_made_anew_is_a_loss(nats: Nats, bus: Bus) -> None:
    await purge(bus, 1)
    async with following(bus) as diary:
        await diary.until(lambda: diary.is_sure)
        nats.lose_everything()
        await diary.until(lambda: not diary.is_sure, 5)
        async with asyncio.timeout(10):
            while not bus.connected:  # noqa: ASYNC110 it is the connection that is watched
                await asyncio.sleep(0.02)
        await bus.prepare()
        await diary.until(lambda: len(diary.lost_) == 2)
        await diary.until(lambda: diary.is_sure)
        await purge(bus, 2)
        await diary.until(lambda: diary.heard_ == [b"2"])


async def test_a_mark_of_another_stream_or_from_the_future_is_a_loss(bus: Bus) -> None:
    await purge(bus, 1, 2)
    extent = await bus.extent()
    for mark in (Mark(born="another", seq=1), Mark(born=extent.born, seq=99)):
        async with following(bus, mark) as diary:
            await diary.until(lambda: diary.is_sure)
            assert diary.lost_ == [Mark(born=extent.born, seq=2)]
