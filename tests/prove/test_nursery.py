"""What the nursery bears is the process that a start would have made."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prove.born import Born, Nursery
from tests.prove.kept import ROOT
from tests.system.world import clean_environment

AROUND = clean_environment() | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    folder = tmp_path_factory.mktemp("nursery")
    with contextlib.closing(Nursery(folder / "nursery.log")) as made:
        yield made


def born(nursery: Nursery, log: Path, *command: str, **environment: str) -> Born:
    deadline = time.monotonic() + 120
    while (life := nursery.bear([*command], AROUND | environment, log)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return life


def test_a_life_has_its_own_arguments_log_and_exit_code(nursery: Nursery, tmp_path: Path) -> None:
    shown = born(nursery, tmp_path / "shown.log", "--version")
    wrong = born(nursery, tmp_path / "wrong.log", "nonsense")
    assert (shown.wait(), wrong.wait()) == (0, 2)
    assert "version" in (tmp_path / "shown.log").read_text()
    assert "nonsense" in (tmp_path / "wrong.log").read_text()


def test_a_life_is_told_its_own_settings(nursery: Nursery, tmp_path: Path) -> None:
    for wanted in ("41", "42"):
        log = tmp_path / f"{wanted}.log"
        assert born(nursery, log, "settings", CALOTYPE_MAX_FRAMES=wanted).wait() == 0
        assert wanted in log.read_text()


def test_a_life_can_be_killed_and_its_end_is_known(nursery: Nursery, tmp_path: Path) -> None:
    command = ["up", "--data", str(tmp_path / "up"), "--port", "0", "--edge-port", "0", "--json"]
    (tmp_path / "up.log").touch()
    life = born(nursery, tmp_path / "up.log", *command)
    deadline = time.monotonic() + 60
    while "api" not in (tmp_path / "up.log").read_text():
        assert life.poll() is None, (tmp_path / "up.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert os.getsid(life.pid) == life.pid
    life.send_signal(signal.SIGKILL)
    assert life.wait() == life.poll() == -signal.SIGKILL
    life.send_signal(signal.SIGKILL)


def test_lives_end_with_the_nursery(tmp_path: Path) -> None:
    with contextlib.closing(Nursery(tmp_path / "nursery.log")) as nursery:
        command = ["up", "--data", str(tmp_path / "up"), "--port", "0", "--edge-port", "0"]
        life = born(nursery, tmp_path / "up.log", *command)
        watched = os.pidfd_open(life.pid)
    assert select.select([watched], [], [], 60)[0]
    os.close(watched)


def test_another_environment_gets_a_process_of_its_own(nursery: Nursery, tmp_path: Path) -> None:
    born(nursery, tmp_path / "first.log", "--version").wait()
    other = AROUND | {"PYTHONPATH": str(tmp_path)}
    assert nursery.bear(["--version"], other, tmp_path / "other.log") is None
