"""Looks that find nothing are soon too many; those that find something never are."""

from hypothesis import given
from hypothesis import strategies as st

from cdn_edge.looks import Looks
from tests.clock import Clock


def misses_until_refused(looks: Looks) -> int:
    count = 0
    while looks.allowed:
        looks.taken(found=False)
        count += 1
    return count


def test_a_flood_of_what_is_nowhere_is_looked_for_a_few_times_a_second() -> None:
    looks = Looks(clock := Clock())
    assert misses_until_refused(looks) == 64
    clock.now += 10.0
    assert misses_until_refused(looks) == 64
    clock.now += 1.0
    assert misses_until_refused(looks) == 16


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.5)), max_size=300))
def test_while_most_looks_find_something_every_one_is_allowed(
    plan: list[tuple[bool, float]],
) -> None:
    looks, found, missed = Looks(clock := Clock()), 0, 0
    for luck, pause in plan:
        lucky = luck or missed >= found
        found, missed = found + lucky, missed + (not lucky)
        assert looks.allowed
        looks.taken(found=lucky)
        clock.now += pause


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=100))
def test_nothing_is_saved_up_beyond_the_most(plan: list[tuple[bool, float]]) -> None:
    looks = Looks(clock := Clock())
    for found, pause in plan:
        looks.taken(found=found)
        clock.now += pause
    assert misses_until_refused(looks) <= 64
