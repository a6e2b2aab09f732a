"""`calotype status` and `doctor` from another terminal, also when parts are down."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.system.drawn import photo
from tests.system.test_reconcile_cli import calotype
from tests.system.world import (
    CALOTYPE,
    World,
    clean_environment,
    command_of,
    eventually,
    family,
    world,
)

# Each part has three seconds; the rest is a slow machine that starts a program.
LONGEST = 40


class Looked(NamedTuple):
    code: int
    told: dict[str, Any]
    error: str
    seconds: float


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("town") / "data") as made:
        yield made


def looked(data: Path, command: str = "status", **environment: str) -> Looked:
    began = time.monotonic()
    done = subprocess.run(
        [CALOTYPE, command, "--data", data, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
        env=clean_environment() | environment,
    )
    assert "Traceback" not in done.stderr
    return Looked(done.returncode, json.loads(done.stdout), done.stderr, time.monotonic() - began)


@contextlib.contextmanager
def frozen(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def nats_of(made: World) -> int:
    (found,) = [one for one in family(made.process.pid) if "nats-server" in command_of(one)]
    return found


def test_a_system_that_is_well_is_told_from_its_folder_alone(town: World) -> None:
    answer = town.upload(photo(), resizeOptions={"width": 100})
    (url,) = answer.json()["simpleData"][0]["variants"].values()
    for _ in range(4):
        assert httpx2.get(url, trust_env=False).status_code == 200
    eventually(lambda: looked(town.data).told["lastReconcile"], seconds=60)
    status = looked(town.data)
    assert (status.code, status.told["problems"]) == (0, []), status
    (process,) = status.told["roles"]
    assert (process["role"], process["ready"]) == ("up", True)
    assert (process["api"], process["edge"]) == (town.api, town.edge)
    assert process["id"].endswith(f":{town.process.pid}")
    assert status.told["backlog"]["unfinished"] == 0
    assert set(status.told["versions"]) == {"libvips", "NATS", "database"}
    assert status.told["cache"]["answers"]["memory"] == 3
    assert status.told["cache"]["hitRate"] == 0.75


def test_a_person_sees_it_on_one_screen(town: World) -> None:
    seen = calotype(town.data, "status")
    assert seen.code == 0
    assert len(seen.out.splitlines()) <= 24
    assert "healthy" in seen.out


def test_doctor_finds_nothing_wrong_beside_a_running_system(town: World) -> None:
    seen = looked(town.data, "doctor")
    wrong = [one for one in seen.told["findings"] if one["state"] == "wrong"]
    assert not [one for one in wrong if one["what"] not in ("disk", "file system")], wrong
    assert not town.staging()


def test_a_frozen_bus_is_named_soon_and_nothing_else_is_missed(town: World) -> None:
    with frozen(nats_of(town)):
        status = looked(town.data)
        examined = looked(town.data, "doctor")
    assert status.code == 1
    assert [one for one in status.told["problems"] if one.startswith("message bus")]
    assert status.told["backlog"]["unfinished"] == 0
    assert "database" in status.told["versions"]
    assert status.told["api"] == town.api
    found = {one["what"]: one for one in examined.told["findings"]}
    assert examined.code == 1
    assert (found["message bus"]["state"], bool(found["message bus"]["todo"])) == ("wrong", True)
    assert found["object storage"]["state"] == "ok"
    eventually(lambda: looked(town.data).code == 0, seconds=60)


def test_a_frozen_system_is_not_there(town: World) -> None:
    with frozen(town.process.pid):
        status = looked(town.data)
    assert status.code == 1
    assert "no gateway is there" in status.told["problems"]
    assert status.told["roles"] == []


def test_a_stopped_system_is_no_healthy_one(tmp_path: Path) -> None:
    status = looked(tmp_path / "nothing")
    assert status.code == 1
    assert {"database", "message bus"} <= set(status.told["away"])
    assert not (tmp_path / "nothing").exists()


def test_what_is_away_elsewhere_is_named_within_its_time(tmp_path: Path) -> None:
    status = looked(
        tmp_path,
        CALOTYPE_DATABASE_URL="postgresql://x@127.0.0.1:1/x",
        CALOTYPE_NATS_URL="nats://127.0.0.1:1",
        CALOTYPE_OBJECTS_URL="s3://x",
        CALOTYPE_OBJECTS_ENDPOINT="http://127.0.0.1:1",
    )
    assert status.code == 1
    assert set(status.told["away"]) == {"database", "message bus", "object storage"}


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [CALOTYPE, "status", "--data", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment() | {"CALOTYPE_PORTT": "1"},
    )
    assert (done.returncode, "CALOTYPE_PORTT" in done.stderr) == (2, True)
