"""Starting: ready quickly, and refused with one line that says what to do."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg import sql

from tests.servers import Nats, Postgres
from tests.system.world import CALOTYPE, World, clean_environment, world


def refused(*arguments: str | Path, **environment: str) -> str:
    """The one line that a refused start prints; it exits with 2 and says nothing else."""
    done = subprocess.run(
        [CALOTYPE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment() | {"CALOTYPE_METRICS_PORT": "0"} | environment,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


def up(data: Path, *more: str, **environment: str) -> str:
    ports = ("--port", "0", "--edge-port", "0")
    return refused("up", "--data", data, *ports, *more, **environment)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = up(tmp_path / "data", "--port", port)
    assert port in line
    assert "--port" in line


def test_a_folder_with_somebody_elses_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert "--data" in up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--data" in up(tmp_path / "file" / "data")


def test_a_second_system_on_the_same_folder_is_refused(system: World) -> None:
    assert "Another calotype is running" in up(system.data)


def test_an_unknown_setting_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    line = up(tmp_path / "data", CALOTYPE_MAX_FILE_BYTE="1")
    assert "CALOTYPE_MAX_FILE_BYTE " in line
    assert "CALOTYPE_MAX_FILE_BYTES" in line


def test_a_setting_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    assert "CALOTYPE_ATTEMPTS" in up(tmp_path / "data", CALOTYPE_ATTEMPTS="many")


def test_listening_to_the_world_needs_a_secret(tmp_path: Path) -> None:
    assert "CALOTYPE_SECRET" in up(tmp_path / "data", "--host", "0.0.0.0")
    short = up(tmp_path / "other", "--host", "0.0.0.0", CALOTYPE_SECRET="short")
    assert "32" in short


@pytest.mark.parametrize("role", ["gateway", "pipeline", "edge"])
def test_a_single_role_needs_a_bus(tmp_path: Path, role: str) -> None:
    assert "CALOTYPE_NATS_URL" in refused(role, "--data", tmp_path / "data")


def test_a_single_role_needs_a_database_that_may_be_shared(tmp_path: Path) -> None:
    bus = {"CALOTYPE_NATS_URL": "nats://127.0.0.1:1"}
    assert "CALOTYPE_DATABASE_URL" in refused("pipeline", "--data", tmp_path / "data", **bus)


def test_servers_that_lose_something_in_a_power_cut_are_refused_by_name(
    tmp_path: Path, postgres: Postgres, postgres_url: str, nats: Nats
) -> None:
    def line(**more: str) -> str:
        return refused("pipeline", "--data", tmp_path / "data", **environment | more)

    environment = {
        "CALOTYPE_DATABASE_URL": postgres_url,
        "CALOTYPE_NATS_URL": nats.url,
        "CALOTYPE_NATS_TOKEN": nats.token,
    }
    assert "CALOTYPE_NATS_PROOF" in line()
    nats.kill()
    nats.sync = '"10s"'
    nats.start()
    assert "sync_interval: always" in line(CALOTYPE_NATS_PROOF=nats.proof)
    name = sql.Identifier(postgres_url.rpartition("/")[2])
    postgres.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    assert "synchronous_commit = off" in line(CALOTYPE_NATS_PROOF="promised")


def test_commands_on_a_folder_without_a_system_say_so(tmp_path: Path) -> None:
    assert "calotype up" in refused("keys", "list", "--data", tmp_path)


def test_a_key_for_nobody_is_refused(system: World) -> None:
    line = refused("keys", "create", "--account", "nobody", "--data", system.data)
    assert "nobody" in line


def test_an_unknown_permission_is_named(system: World) -> None:
    line = refused("keys", "create", "--permission", "images-eat", "--data", system.data)
    assert "images-eat" in line


def test_the_first_key_is_shown_once(tmp_path: Path) -> None:
    with world(tmp_path / "data") as first:
        key = first.key
        assert key.startswith("sk_")
        assert first.stop() == 0
        first.start()
        assert first.key == key
        assert first.http.get("/api/v1/images/none").status_code == 404
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes()


@pytest.mark.parametrize("words", [(), ("up",), ("keys", "create"), ("accounts", "credit")])
def test_help_teaches(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [CALOTYPE, *words, "--help"], capture_output=True, text=True, check=True, timeout=30
    )
    assert "Usage" in done.stdout


def test_accounts_get_and_lose_credits(system: World) -> None:
    system.run("accounts", "create", "friend", "--json")
    assert system.run("accounts", "credit", "friend", "5", "--json")["credits"] == 10_005
    assert system.run("accounts", "credit", "friend", "-5", "--json")["credits"] == 10_000
    paid = system.run("accounts", "credit", "friend", "7", "--paid", "--json")
    assert (paid["credits"], paid["paid"]) == (10_007, 7)


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True
    )
    assert "0.1.0" in done.stdout
