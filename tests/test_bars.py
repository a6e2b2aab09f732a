"""Progress: counts and time left on a terminal, not a word elsewhere."""

import io

from rich.console import Console

from gateway.bars import bars
from gateway.findings_shown import Told


def shown(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with bars(console) as progress:
        told = Told(progress, 12)
        told.expect({"missing": 40})
        told.stepped()
        told.looked("missing", 30)
        told.looked("staging", 5)
        progress.refresh()
    written = console.file
    assert isinstance(written, io.StringIO)
    return Console(file=io.StringIO()).render_str(written.getvalue()).plain


def test_a_person_sees_how_many_of_how_many() -> None:
    seen = shown(terminal=True)
    for part in ("1/12", "30/40", "5/?", "left"):
        assert part in seen, part


def test_who_is_no_terminal_sees_nothing() -> None:
    assert not shown(terminal=False).strip()
