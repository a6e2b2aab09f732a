"""Every safeguard can be switched off: what is to be changed stands where it is said to stand."""

import pytest

from tests.prove.builds import Change
from tests.prove.kept import ROOT
from tests.prove.safeguards import SAFEGUARDS


@pytest.mark.parametrize("change", [change for one in SAFEGUARDS for change in one.changes])
def test_what_a_safeguard_is_stands_in_the_code_once(change: Change) -> None:
    assert (ROOT / change.file).read_text().count(change.words) == 1


@pytest.mark.parametrize("check", sorted({one.check for one in SAFEGUARDS}))
def test_the_check_of_a_safeguard_is_a_test_of_ours(check: str) -> None:
    file, _, name = check.partition("::")
    assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text()
