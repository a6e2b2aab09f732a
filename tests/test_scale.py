"""The simulated Calotype obeys the laws that any queue obeys, and knows what it does not know."""

import itertools
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import scale
from benchmarks.scaling import tables as shown
from benchmarks.scaling.cores import Cores
from benchmarks.scaling.costs import (
    Costs,
    Edge,
    Hits,
    Idle,
    Load,
    Machine,
    Picture,
    Run,
    Shape,
    Stage,
)
from benchmarks.scaling.drive import Outcome, simulate
from benchmarks.scaling.fleet import RATES, believed, fleet_for
from benchmarks.scaling.house import Demand, Plant, Plants
from benchmarks.scaling.limits import limits
from benchmarks.scaling.match import demand_of, matches, on_one_machine
from benchmarks.scaling.spent import kind_of, spent
from benchmarks.scaling.tables import BEGIN, END, tables

TOP = Path(__file__).parents[1]
SCALING = TOP / "deploy" / "SCALING.md"
NEARLY = 1 + 1e-6

seconds = st.floats(0.001, 0.3)
stages = st.builds(
    Stage, developing=seconds, encodings=st.lists(seconds, min_size=1, max_size=3).map(tuple)
)
some_pictures = st.lists(
    st.builds(
        Picture,
        name=st.just("a picture"),
        size=st.just(1_000_000),
        megapixels=st.just(12.0),
        stages=st.lists(stages, min_size=1, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=3,
)
some_demands = st.builds(
    Demand,
    client=st.floats(0, 0.01),
    gateway=seconds,
    pipeline=seconds,
    nats=st.floats(0, 0.01),
    database=st.floats(0, 0.05),
    objects=st.floats(0, 0.05),
    waiting=st.floats(0, 0.1),
    commit=st.floats(0, 0.01),
    publish=st.floats(0, 0.01),
)
some_loads = st.builds(
    Load, uploads=st.integers(1, 30), clients=st.integers(1, 10), seed=st.integers(0, 99)
) | st.builds(Load, uploads=st.integers(1, 30), rate=st.floats(0.2, 20), seed=st.integers(0, 99))


def one_machine(cores: int, children: int, pipelines: int = 1, power: float = 9.0) -> Plants:
    def built(env: simpy.Environment) -> Plant:
        shared = Cores(env, cores, power)
        return Plant(
            client=shared,
            gateways=[shared],
            pipelines=[(shared, children)] * pipelines,
            nats=shared,
            database=shared,
            objects=shared,
        )

    return built


def cpu_of(demand: Demand) -> float:
    """Of one upload, without its renders."""
    parts = (demand.client, demand.gateway, demand.pipeline, demand.nats, demand.database)
    return sum(parts) + demand.objects


@given(some_pictures, some_demands, some_loads, st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=60)
def test_what_is_inside_is_what_comes_times_how_long_it_stays(
    pictures: list[Picture], demand: Demand, load: Load, cores: int, children: int
) -> None:
    outcome, house = simulate(one_machine(cores, children), demand, pictures, load)
    assert len(outcome.latencies) == load.uploads
    assert house.areas == pytest.approx(sum(outcome.latencies))  # Little's law
    assert house.inside == 0


@given(some_pictures, some_demands, some_loads, st.integers(1, 4), st.floats(1, 4))
@settings(max_examples=60)
def test_cores_do_exactly_what_was_asked_and_no_faster_than_they_can(
    pictures: list[Picture], demand: Demand, load: Load, cores: int, power: float
) -> None:
    outcome, house = simulate(one_machine(cores, 2, power=power), demand, pictures, load)
    done = house.plant.client
    renders = sum(pictures[n % len(pictures)].seconds for n in range(load.uploads))
    assert done.utilisation() <= NEARLY
    assert done.done == pytest.approx(renders + load.uploads * cpu_of(demand))
    assert outcome.seconds * min(power, cores) * NEARLY >= done.done


@given(some_pictures, some_demands, st.integers(1, 3), st.integers(1, 20))
@settings(max_examples=60)
def test_throughput_never_exceeds_the_slowest_part(
    pictures: list[Picture], demand: Demand, children: int, clients: int
) -> None:
    load = Load(uploads=30, clients=clients)
    outcome, _ = simulate(one_machine(8, children), demand, pictures, load)
    renders = [pictures[n % len(pictures)].seconds for n in range(load.uploads)]
    assert outcome.seconds * NEARLY >= sum(renders) / children
    assert outcome.seconds * NEARLY >= load.uploads * 2 * demand.commit
    assert outcome.seconds * NEARLY >= load.uploads * demand.publish
    quickest = min(picture.stages[0].developing for picture in pictures)
    assert min(outcome.latencies) * NEARLY >= quickest + demand.gateway


@given(some_pictures, some_loads, st.integers(1, 6))
@settings(max_examples=60)
def test_more_children_are_never_slower_where_every_child_has_a_core(
    pictures: list[Picture], load: Load, children: int
) -> None:
    # One encoding a picture: orders that many children share may meet in an unlucky order.
    alone = [msgspec.structs.replace(one, stages=one.stages[:1]) for one in pictures]
    single = [
        msgspec.structs.replace(one, stages=(Stage(developing=one.seconds, encodings=(0.0,)),))
        for one in alone
    ]
    ends = [
        simulate(one_machine(64, number), Demand(), single, load)[0].seconds
        for number in (children, children + 1)
    ]
    assert ends[1] <= ends[0] * NEARLY


@given(some_pictures, st.integers(1, 8))
@settings(max_examples=30)
def test_two_pipelines_do_what_one_with_all_their_children_does(
    pictures: list[Picture], clients: int
) -> None:
    load = Load(uploads=24, clients=clients)
    together = simulate(one_machine(64, 2), Demand(), pictures, load)[0]
    apart = simulate(one_machine(64, 1, pipelines=2), Demand(), pictures, load)[0]
    most = sum(pictures[0].seconds for _ in range(2)) + max(one.seconds for one in pictures)
    assert apart.seconds <= together.seconds + len(pictures) * most


def test_a_core_is_shared_by_weight_and_nobody_has_more_than_one() -> None:
    env = simpy.Environment()
    cores = Cores(env, 2)
    ends: dict[str, float] = {}

    def does(name: str, seconds: float, weight: float) -> object:
        yield cores.work(seconds, weight)
        ends[name] = env.now

    for name, weight in (("parent", 1.0), ("child", 0.2), ("other child", 0.2)):
        env.process(does(name, 1.0, weight))  # type: ignore[arg-type]
    env.run()
    assert ends["parent"] == pytest.approx(1.0)  # a whole core, the children share the other
    assert ends["child"] == ends["other child"] == pytest.approx(1.5)


def test_cores_that_slow_each_other_down_are_worth_less_than_their_number() -> None:
    env = simpy.Environment()
    cores = Cores(env, 2, power=1.5)
    env.run(env.all_of([cores.work(1.5), cores.work(1.5)]))
    assert env.now == pytest.approx(2.0)


# What is made of measurements

PICTURE = Picture(
    name="a photo",
    size=3_000_000,
    megapixels=12.0,
    stages=(
        Stage(developing=0.2, encodings=(0.01, 0.15)),
        Stage(developing=0.02, encodings=(0.02,)),
    ),
)
TRUTH = Demand(
    client=0.01, gateway=0.03, pipeline=0.02, nats=0.004, waiting=0.05, commit=0.002, publish=0.002
)
CEILINGS = {
    f"{system}: {what}": 500.0
    for system in ("embedded", "cluster")
    for what in ("messages of one stream", "commits on one account", "commits on many accounts")
}


def measured(stretch: Callable[[Load], float] = lambda _: 1.0) -> Costs:
    """Costs as if a simulated system had been measured; `stretch` falsifies some runs."""
    runs = []
    shapes = [Shape(system="embedded")]
    shapes += [Shape(system="cluster", pipelines=p, children=c) for p in (1, 2) for c in (1, 2)]
    empty = costs_of([])
    for shape in shapes:
        loads = [Load(uploads=24, clients=n) for n in (1, 4, 8)]
        for load in [*loads, Load(uploads=24, rate=2.0)]:
            plant = on_one_machine(empty, shape)
            outcome, _ = simulate(plant, TRUTH, [PICTURE], load)
            runs.append(run_of(shape, load, outcome, stretch(load)))
    return costs_of(runs)


def costs_of(runs: list[Run]) -> Costs:
    return Costs(
        machine=Machine(cores=2, power=1.9, fsync=0.001),
        pictures=(PICTURE,),
        runs=tuple(runs),
        idle={system: Idle(cpu={"nats": 0.05}, counts={}) for system in ("embedded", "cluster")},
        edge=Edge(
            hits=(Hits(size=20_480, cpu=5e-5, per_second=15_000),), miss={"edge": 1e-3, "s3": 1e-3}
        ),
        ceilings=CEILINGS,
    )


def run_of(shape: Shape, load: Load, outcome: Outcome, stretch: float) -> Run:
    each = {"client": TRUTH.client, "nats": TRUTH.nats, "children": PICTURE.seconds}
    roles = {"gateway": TRUTH.gateway, "pipeline": TRUTH.pipeline}
    if shape.system == "embedded":
        roles = {"calotype": TRUTH.gateway + TRUTH.pipeline}
    return Run(
        shape=shape,
        load=load,
        seconds=outcome.seconds * stretch,
        latencies=tuple(one * stretch for one in outcome.latencies),
        cpu={kind: one * load.uploads for kind, one in (each | roles).items()},
        written={},
        counts={"rows: order": load.uploads, "database: write": 3 * load.uploads},
    )


def test_the_simulation_finds_the_waiting_that_was_in_what_was_measured() -> None:
    assert demand_of(measured(), "embedded").waiting == pytest.approx(TRUTH.waiting, rel=0.01)


def test_what_behaves_as_simulated_is_believed_and_what_does_not_is_not() -> None:
    assert all(match.worst < 0.01 for match in matches(measured()))
    slow = measured(lambda load: 1.3 if load.clients == 8 else 1.0)
    wrong = {str(match.run.load) for match in matches(slow) if match.worst > 0.15}
    assert wrong == {"8 at a time"}


def test_a_simulation_that_is_off_says_nothing_further_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, document = tmp_path / "costs.json", tmp_path / "SCALING.md"
    document.write_text(f"before\n{BEGIN}\nwhat was there\n{END}\nafter\n")
    asked = ["scale.py", "--costs", str(file), "--markdown", "--into", str(document)]
    monkeypatch.setattr(sys, "argv", asked)
    monkeypatch.setattr(shown, "RATES", (10,))

    file.write_bytes(msgspec.json.encode(measured(lambda load: 1.3 if load.rate else 1.0)))
    with pytest.raises(SystemExit, match="15%"):
        scale.main()
    assert "what was there" in document.read_text()
    assert capsys.readouterr().out == ""

    file.write_bytes(msgspec.json.encode(measured()))
    scale.main()
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "what was there" not in text
    assert capsys.readouterr().out.strip() in text


def test_ten_times_as_many_uploads_need_about_ten_times_as_much() -> None:
    costs = measured()
    small, large = (fleet_for(costs, rate) for rate in (100, 1000))
    for one, ten in zip(small[1:], large[1:], strict=True):
        assert one <= ten <= 10 * one


def test_a_planned_fleet_keeps_up_with_what_it_is_planned_for() -> None:
    seen = believed(measured(), 10)
    assert seen.outcome is not None
    assert seen.outcome.per_second > 9
    assert max(seen.busy["pipelines"], seen.busy["gateways"]) < 0.8
    assert seen.outcome.p99 < 3


def test_a_fleet_with_a_part_over_its_end_is_not_simulated() -> None:
    costs = measured()
    slow = costs.ceilings | {"cluster: messages of one stream": 50.0}
    seen = believed(msgspec.structs.replace(costs, ceilings=slow), 100)
    assert (seen.first, seen.outcome) == ("a stream's syncs", None)
    assert seen.busy[seen.first] == pytest.approx(2)


def test_the_render_cores_are_asked_for_first() -> None:
    first, *_ = limits(measured())
    assert first.part == "a render core"


# deploy/SCALING.md


def shape_of(text: str) -> list[str]:
    """Titles and the heads of tables: what stays when figures change."""
    lines = text.splitlines()
    heads = [one for one, after in itertools.pairwise(lines) if after.startswith("| ---")]
    return [line for line in lines if line.startswith("### ") or line in heads]


def test_scaling_md_has_the_tables_that_are_made_of_measurements() -> None:
    _, _, rest = SCALING.read_text().partition(BEGIN)
    figures, _, _ = rest.partition(END)
    assert shape_of(figures) == shape_of(tables(measured()))


@pytest.mark.parametrize("rate", RATES)
def test_scaling_md_says_what_every_rate_needs(rate: int) -> None:
    assert f"| {rate:,} |" in SCALING.read_text()


# Who spent it


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("/x/.venv/bin/python /x/.venv/bin/calotype up --data /d --json", "calotype"),
        ("/x/bin/python /x/bin/calotype gateway", "gateway"),
        ("/x/bin/python /x/bin/calotype pipeline", "pipeline"),
        ("/x/bin/python -s -P -m pipeline.child 11 3176", "children"),
        ("/x/bin/nats-server -c /d/nats.conf", "nats"),
        ("/x/bin/weed server -s3", "s3"),
        ("/x/pginstall/bin/postgres -D /d", "postgres"),
        ("sleep 9", "other"),
    ],
)
def test_a_process_is_known_by_its_command(command: str, kind: str) -> None:
    assert kind_of(command.split()) == kind


def test_a_backend_of_postgres_is_known_by_its_title() -> None:
    assert kind_of(["postgres: calotype calotype 127.0.0.1(5) idle"]) == "postgres"


def test_what_this_process_spends_is_the_clients() -> None:
    before = spent()
    for _ in range(200_000):
        partial(int)()
    sum(n * n for n in range(2_000_000))
    assert spent().since(before).cpu["client"] > 0


def test_what_others_take_of_the_machine_meanwhile_is_not_blamed_on_the_simulation() -> None:
    costs = measured()
    slow = msgspec.structs.replace(costs, runs=tuple(map(slowed, costs.runs)))
    usual = [one.errors for one in matches(costs)]
    for seen, expected in zip(matches(slow), usual, strict=True):
        assert seen.errors == pytest.approx(expected, abs=1e-6)


def slowed(run: Run) -> Run:
    return msgspec.structs.replace(
        run,
        pace=run.pace * 0.8,
        seconds=run.seconds / 0.8,
        latencies=tuple(one / 0.8 for one in run.latencies),
        cpu={kind: seconds / 0.8 for kind, seconds in run.cpu.items()},
        load=msgspec.structs.replace(run.load, rate=run.load.rate * 0.8),
    )
