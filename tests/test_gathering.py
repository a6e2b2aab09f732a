"""Questions asked together: each gets its own answer, and nobody waits for a question not asked."""

import asyncio
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn_edge.gathering import Gathering


class Oracle:
    """Knows the double of even numbers; answers when told to."""

    def __init__(self, *, patient: bool = False) -> None:
        self.asked: list[set[int]] = []
        self.gate = asyncio.Event()
        if not patient:
            self.gate.set()

    async def ask_all(self, questions: Collection[int]) -> dict[int, int]:
        self.asked.append(set(questions))
        await self.gate.wait()
        if 13 in questions:
            raise LookupError("13")
        return {one: 2 * one for one in questions if one % 2 == 0}


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 3), st.integers(1, 5))
def test_each_gets_its_own_answer(questions: list[int], at_once: int, most: int) -> None:
    async def run() -> None:
        oracle = Oracle()
        gathering = Gathering(oracle.ask_all, at_once=at_once, most=most)
        answers = await asyncio.gather(*map(gathering.ask, questions))
        assert answers == [None if one % 2 else 2 * one for one in questions]
        assert all(len(asked) <= most for asked in oracle.asked)

    asyncio.run(run())


async def test_who_comes_while_others_are_answered_is_asked_with_all_who_did() -> None:
    oracle = Oracle(patient=True)
    gathering = Gathering(oracle.ask_all, at_once=2)
    asking = []
    for number in range(10):
        asking.append(asyncio.create_task(gathering.ask(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert oracle.asked == [{0}, {1}]
    oracle.gate.set()
    await asyncio.gather(*asking)
    assert oracle.asked == [{0}, {1}, {*range(2, 10)}]


async def test_a_failure_is_raised_to_those_who_asked_together_and_to_nobody_after() -> None:
    oracle = Oracle()
    gathering = Gathering(oracle.ask_all, at_once=1)
    answers = await asyncio.gather(*map(gathering.ask, (13, 2)), return_exceptions=True)
    assert [type(one) for one in answers] == [LookupError, LookupError]
    assert await gathering.ask(2) == 4


async def test_who_gives_up_is_not_asked_for_and_costs_nobody_an_answer() -> None:
    oracle = Oracle(patient=True)
    gathering = Gathering(oracle.ask_all, at_once=1)
    first = asyncio.create_task(gathering.ask(0))
    await asyncio.sleep(0.01)
    given_up, patient = (asyncio.create_task(gathering.ask(number)) for number in (4, 6))
    await asyncio.sleep(0.01)
    given_up.cancel()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    oracle.gate.set()
    assert await patient == 12
    assert oracle.asked == [{0}, {6}]


async def batches_within(seconds: float, question: int) -> int:
    """How often an oracle is asked when 16 readers ask again as soon as they are answered."""
    oracle = Oracle()
    gathering = Gathering(oracle.ask_all)

    async def ask_again_and_again() -> None:
        while True:
            await gathering.ask(question)

    readers = [asyncio.create_task(ask_again_and_again()) for _ in range(16)]
    await asyncio.sleep(seconds)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return len(oracle.asked)


async def test_who_floods_in_vain_is_slowed_down_and_who_finds_is_not() -> None:
    in_vain = await batches_within(0.5, 1)
    assert 2 <= in_vain <= 2 * 0.5 / 0.05 + 4
    assert await batches_within(0.5, 2) > 4 * in_vain


async def test_a_few_in_vain_wait_for_nobody() -> None:
    oracle = Oracle()
    gathering = Gathering(oracle.ask_all)
    for _ in range(200):
        assert await asyncio.wait_for(gathering.ask(1), 5) is None
    async with asyncio.timeout(5):  # with a pause of 50 ms each they took ten seconds
        for _ in range(200):
            await asyncio.gather(gathering.ask(1), gathering.ask(3), gathering.ask(5))


async def test_questions_that_may_linger_are_asked_with_those_that_come_soon_after() -> None:
    oracle = Oracle()
    gathering = Gathering(oracle.ask_all, at_once=1, linger=0.2)
    asking = [asyncio.create_task(gathering.ask(0))]
    await asyncio.sleep(0.02)
    asking += [asyncio.create_task(gathering.ask(number)) for number in (2, 4)]
    assert await asyncio.gather(*asking) == [0, 4, 8]
    assert oracle.asked == [{0, 2, 4}]


async def test_many_questions_do_not_linger() -> None:
    oracle = Oracle()
    gathering = Gathering(oracle.ask_all, at_once=1, linger=60)
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(gathering.ask(2 * number) for number in range(8)))
    assert answers == [4 * number for number in range(8)]
