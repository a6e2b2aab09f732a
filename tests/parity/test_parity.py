"""Sharp and Calotype, asked for the same print: the same size, the same bytes."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import engine
from tests.parity.case import Case
from tests.parity.chosen import chosen
from tests.parity.drawn import FORMATS, cases
from tests.parity.inputs import place
from tests.parity.peer import Absent, Peer, sharp_peer

CHOSEN = chosen()
# `make parity` draws more.
EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "100"))
Answers = Mapping[str, "Future[dict[str, Any]]"]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    engine.prepare()
    try:
        with sharp_peer(tmp_path_factory.mktemp("sharp")) as started:
            yield started
    except Absent as absent:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no sharp to compare with: {absent}")


@pytest.fixture(scope="session")
def answers(peer: Peer, inputs: Path, request: pytest.FixtureRequest) -> Answers:
    """Sharp works through the chosen cases on the other core while we do ours."""
    parameters = (getattr(item, "callspec", None) for item in request.session.items)
    wanted = (spec.params["case"] for spec in parameters if spec and "case" in spec.params)
    cases = [case for case in wanted if isinstance(case, Case)]
    return {str(case): peer.ask(case, place(case.picture, inputs)) for case in cases}


def difference(case: Case, source: Path, said: Mapping[str, Any]) -> str:
    """What differs between sharp's print and ours, in words; empty when nothing does."""
    if "error" in said:
        return f"sharp refused: {said['error']}"
    theirs = Path(said["file"]).read_bytes()
    (ours,) = engine.render(source, [case.recipe()])
    if (ours.width, ours.height) != (said["width"], said["height"]):
        return f"{ours.width}x{ours.height}, sharp: {said['width']}x{said['height']}"
    if ours.data != theirs:
        return f"{len(ours.data)} bytes differ from sharp's {len(theirs)}"
    return ""


@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_a_chosen_print_is_sharps_print(case: Case, answers: Answers, inputs: Path) -> None:
    source = place(case.picture, inputs)
    assert difference(case, source, answers[str(case)].result(250)) == ""


@pytest.mark.parametrize("format_name", FORMATS)
@settings(max_examples=EXAMPLES // len(FORMATS), derandomize=True, database=None)
@given(data=st.data())
def test_any_print_is_sharps_print(
    data: st.DataObject, format_name: str, peer: Peer, inputs: Path
) -> None:
    case = data.draw(cases(format_name))
    source = place(case.picture, inputs)
    assert difference(case, source, peer.ask(case, source).result(60)) == ""
