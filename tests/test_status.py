"""What is healthy: a verdict over facts, without a system."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.status import shown
from gateway.status.facts import Base, Bus, Facts
from gateway.status.verdict import hit_rate, judge, span
from models.backlog import Backlog
from models.roll import Present
from models.schema import newest

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
ROUND = "calotype_reconciler_last_round_timestamp_seconds/round"


def process(role: str, **more: object) -> Present:
    figures = {ROUND: NOW.timestamp() - 30} if role in ("up", "pipeline") else {}
    usual = {"version": "1", "started": LONG_AGO.timestamp(), "figures": figures}
    return Present(role=role, id=f"{role}:1", **(usual | more))


WELL = Facts(
    where="here",
    embedded=True,
    looked=NOW,
    running=True,
    bus=Bus(version="2.15.1", present=(process("up"),)),
    base=Base(version="SQLite 3", schema=newest()),
)


def facts(**changed: object) -> Facts:
    fields = {name: getattr(WELL, name) for name in WELL.__struct_fields__}
    return Facts(**(fields | changed))


def with_backlog(**waiting: object) -> Facts:
    return facts(base=Base(version="SQLite 3", schema=newest(), backlog=Backlog(**waiting)))


def with_present(*present: Present, **bus: object) -> Facts:
    return facts(bus=Bus(version="2.15.1", present=present, **bus))


def test_a_system_that_is_well_has_no_problem() -> None:
    assert judge(WELL).healthy
    roles = map(process, ("gateway", "pipeline", "edge"))
    assert judge(with_present(*roles)).healthy


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (facts(bus=None, away={"message bus": "is gone"}), "message bus: is gone"),
        (facts(base=None, away={"database": "is gone"}), "database: is gone"),
        (with_present(process("gateway"), process("edge")), "no pipeline is there"),
        (with_present(process("up", ready=False, lacking={"nats": "away"})), "nats: away"),
        (with_present(process("up"), streams=False), "streams are not there"),
        (with_backlog(pending=1, oldest=LONG_AGO, oldest_order="o-1"), "order o-1 is unfinished"),
        (with_backlog(unsent=3, oldest_unsent=LONG_AGO), "3 announcements"),
        (facts(base=Base(version="SQLite 3", schema="")), "calotype migrate"),
        (with_present(process("up", figures={ROUND: LONG_AGO.timestamp()})), "reconciliation"),
        (
            with_present(process("up", figures={"calotype_reconciler_last_findings/balances": 2})),
            "2 accounts",
        ),
    ],
)
def test_what_is_wrong_is_named(found: Facts, named: str) -> None:
    verdict = judge(found)
    assert not verdict.healthy
    assert any(named in problem for problem in verdict.problems), verdict


def test_dead_letters_and_several_releases_are_worth_knowing_and_no_more() -> None:
    assert judge(with_backlog(dead=2)).notes == ("2 dead letters to look at: 'calotype dead list'",)
    mixed = with_present(process("up"), process("edge", version="2"))
    assert judge(mixed).notes == ("several releases at work: 1, 2",)
    assert judge(mixed).healthy


def test_who_has_just_started_has_not_come_round_yet() -> None:
    old = {ROUND: LONG_AGO.timestamp()}
    young = process("up", started=NOW.timestamp() - 10, figures=old)
    assert judge(with_present(young)).healthy


def test_the_hit_rate_is_that_of_all_edges() -> None:
    tier = "calotype_edge_requests_total/"
    first = process("edge", figures={f"{tier}memory": 6, f"{tier}store": 1, f"{tier}none": 99})
    second = process("edge", figures={f"{tier}disk": 2, f"{tier}render": 1})
    assert hit_rate(with_present(first, second)) == 0.8
    assert hit_rate(with_present(process("edge"))) is None


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=4000)))
def test_an_age_is_short_to_read_and_never_too_long(age: timedelta) -> None:
    number, unit = span(age).split(" ")
    sizes = {"s": 1, "min": 60, "h": 3600, "days": 86_400}
    assert int(number) * sizes[unit] <= age.total_seconds() < (int(number) + 1) * sizes[unit]


@pytest.mark.parametrize("found", [WELL, facts(bus=None, base=None, away={"database": "gone"})])
def test_everything_can_be_shown(found: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    shown.show(found, judge(found))
    assert "healthy" in capsys.readouterr().out
    assert '"healthy"' in shown.as_json(found, judge(found))
