"""Company at work: who is alone is alone, and everybody gets in."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pipeline.company import Company


async def at_work(plan: list[tuple[bool, int, int]]) -> list[tuple[bool, int]]:
    """Who was inside, and how many there were then; each comes late, and works for a while."""
    company, inside, seen = Company(), 0, []

    async def one(alone: bool, comes: int, works: int) -> None:
        nonlocal inside
        for _ in range(comes):
            await asyncio.sleep(0)
        async with company.alone() if alone else company.together():
            inside += 1
            for _ in range(works + 1):
                seen.append((alone, inside))
                await asyncio.sleep(0)
            inside -= 1

    await asyncio.wait_for(asyncio.gather(*(one(*who) for who in plan)), 10)
    return seen


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_who_is_alone_is_alone_and_everybody_comes_in(plan: list[tuple[bool, int, int]]) -> None:
    seen = asyncio.run(at_work(plan))
    assert len(seen) == sum(works + 1 for _, _, works in plan)
    assert all(count == 1 for alone, count in seen if alone)


async def test_the_others_are_there_at_the_same_time() -> None:
    seen = await at_work([(False, 0, 5)] * 4)
    assert max(count for _, count in seen) == 4


async def test_who_gives_up_waiting_keeps_nobody_out() -> None:
    company = Company()

    async def alone() -> None:
        async with company.alone():
            raise AssertionError("somebody is inside")

    async with company.together():
        waiting = asyncio.create_task(alone())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(5), company.together():
            pass
