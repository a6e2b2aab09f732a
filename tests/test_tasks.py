"""Work in the background ends when its time is over, also when it misses that it was told."""

import asyncio
import contextlib

from pipeline.tasks import end, running


async def stubborn() -> None:
    """Misses the first cancellation, as `wait_for` does when it comes at the wrong moment."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


async def test_work_that_misses_its_cancellation_is_ended_all_the_same() -> None:
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(task)
    assert task.cancelled()


async def test_a_block_with_such_work_beside_it_ends() -> None:
    async with asyncio.timeout(10):
        async with running(stubborn):
            await asyncio.sleep(0)


async def test_work_that_has_failed_already_raises_nothing_at_its_end() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end(task)
    assert isinstance(task.exception(), ValueError)
