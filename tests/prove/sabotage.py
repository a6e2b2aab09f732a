"""Row 8: does the suite see? Without its safeguard, in a test build, each check turns red."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.prove.builds import Change, build
from tests.prove.row import Ground, Outcome, Row
from tests.prove.safeguards import SAFEGUARDS, Safeguard
from tests.servers import server_folder

_SECONDS = 600
"""Of each check: they run beside much else."""
_GREEN, _RED, _NEITHER = 0, 1, 124
"""How pytest ends when all passed, and when some failed: anything else is neither."""


class Tried(NamedTuple):
    """How the check of a safeguard ended."""

    code: int
    said: str


def prove(ground: Ground) -> Outcome:
    """Every check is green on the product as it is, and red without its safeguard."""
    chosen = SAFEGUARDS[: ground.times(len(SAFEGUARDS), short=3)]
    with server_folder(programs=True) as folder:
        problems = list(_problems(ground, folder, chosen))
    return Outcome(
        tried=len(chosen),
        survived=len(chosen) - len(problems),
        figures={"switched off": ", ".join(one.name for one in chosen)},
        problems=tuple(problems),
    )


def _problems(ground: Ground, folder: Path, chosen: tuple[Safeguard, ...]) -> Iterator[str]:
    every = tuple(one.check for one in chosen)
    whole = _check(folder / "whole", (), every, seconds=_SECONDS * 3)
    if whole.code != _GREEN:
        yield f"on the product as it is checks end with {whole.code}: {whole.said}"
    for number, one in enumerate(chosen):
        tried = _check(folder / str(number), one.changes, (one.check,))
        ground.say(f"without {one.name}: {'red' if tried.code == _RED else tried.said}")
        if tried.code != _RED:
            yield f"without {one.name} its check ends with {tried.code}: {tried.said}"


def _check(
    folder: Path, changes: tuple[Change, ...], checks: tuple[str, ...], seconds: float = _SECONDS
) -> Tried:
    folder.mkdir()
    build(folder, changes)
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *checks]
    try:
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Tried(_NEITHER, "took too long")
    return Tried(ran.returncode, ran.stdout.decode().strip().rpartition("\n")[2][:200])


_PROMISE = "every safeguard, switched off in a test build, turns its check red"
SABOTAGE = Row("8", "sabotage", _PROMISE, prove, lane="sabotage")
