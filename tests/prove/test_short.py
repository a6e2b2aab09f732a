"""A taste of every row of the proof: `make prove` is the meal."""

import time

import pytest

from tests.prove.row import Outcome
from tests.prove.rows import ROWS
from tests.prove.run import prove_all

# Those of the rest are tests of their own: test_edge_mixups, test_slow_clients.
TASTED = [row for row in ROWS if row.number not in {"12", "16"}]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All rows in their lanes, as the whole proof runs them."""
    logs = tmp_path_factory.mktemp("logs")
    proved = prove_all(TASTED, short=True, seed=1, began=time.monotonic(), logs=logs)
    return {row.name: outcome for row, outcome, _ in proved}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [row.name for row in TASTED])
def test_nothing_accepted_is_lost_and_nothing_is_paid_twice(
    outcomes: dict[str, Outcome], name: str
) -> None:
    outcome = outcomes[name]
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.holds, outcome
