"""Crash points kill where a test says so, and nowhere else."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.prove.kills import POINTS

ROOT = Path(__file__).parents[2]
POINT = re.compile(r'failpoint\("([^"]+)"\)')
PASS_ONE = "from models.failpoint import failpoint; failpoint('G1.staged'); print('alive')"


def run(code: str) -> subprocess.CompletedProcess[str]:
    armed = os.environ | {"PROVE_FAILPOINT": "G1.staged:1"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=armed,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_crash_point_of_the_product_is_killed_at_and_there_are_enough() -> None:
    product = ("gateway", "cdn_edge", "pipeline", "models")
    files = [file for folder in product for file in (ROOT / folder).rglob("*.py")]
    named = [name for file in files for name in POINT.findall(file.read_text())]
    tried = [name for names in POINTS.values() for name in names]
    assert sorted(named) == sorted(tried)
    assert len(tried) >= 24


def test_a_variable_alone_kills_nothing() -> None:
    done = run(PASS_ONE)
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_the_launcher_of_the_proof_makes_it_kill() -> None:
    done = run(f"from tests.prove.armed import arm; arm(); {PASS_ONE}")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


def test_what_kills_is_in_no_wheel() -> None:
    assert (
        '"tests"'
        not in (ROOT / "pyproject.toml").read_text().partition("wheel]")[2].partition("[")[0]
    )
