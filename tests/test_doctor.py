"""What doctor finds, and that it goes on after what fails."""

import contextlib
import stat
from pathlib import Path

import psycopg
import pytest

from gateway.doctor import releases
from gateway.doctor.clocks import judged
from gateway.doctor.finding import Finding, State
from gateway.doctor.machine import kind_of
from gateway.doctor.run import examine
from pipeline.bus import connect
from tests.servers import Nats, nats_server

SECRET = "6d1f0c9a7e35b8422d90fe6ab31c57e8"


async def found(data: Path, **environment: str) -> dict[str, list[Finding]]:
    by_name: dict[str, list[Finding]] = {}
    named = {f"CALOTYPE_{name.upper()}": value for name, value in environment.items()}
    async for one in examine(named, data=data):
        by_name.setdefault(one.what, []).append(one)
    return by_name


def states(findings: list[Finding]) -> set[State]:
    return {one.state for one in findings}


async def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    looked = await found(tmp_path / "new", port="0", edge_port="0")
    wrong = [one for findings in looked.values() for one in findings if one.state == "wrong"]
    assert not [one for one in wrong if one.what not in ("disk", "file system")]  # the machine's
    assert not (tmp_path / "new").exists()


async def test_everything_wrong_at_once_is_told_one_by_one(tmp_path: Path) -> None:
    looked = await found(
        tmp_path,
        portt="1",
        edge_port="no number",
        secret="changeme",
        trusted_proxies="0.0.0.0/0",
        database_url="postgresql://x@127.0.0.1:1/x",
        nats_url="nats://127.0.0.1:1",
        objects_url="s3://x",
        objects_endpoint="http://127.0.0.1:1",
        rate_limit_store="redis://127.0.0.1:1",
    )
    parts = ("database", "message bus", "object storage", "rate limit store", "secret", "exposure")
    for name in parts:
        assert "wrong" in states(looked[name]), name
        assert all(one.todo for one in looked[name] if one.state == "wrong"), name
    said = " ".join(one.says for one in looked["settings"])
    assert "CALOTYPE_PORTT" in said
    assert "CALOTYPE_EDGE_PORT" in said
    assert states(looked["libvips"]) == {"ok"}


async def test_what_does_not_keep_its_word_is_found(tmp_path: Path, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')  # type: ignore[call-overload]  # the name is ours
    with nats_server() as careless:
        careless.kill()
        careless.sync = "2m"
        careless.start()
        async with contextlib.aclosing(await connect(careless.url, careless.token)) as bus:
            await bus.prepare()
        looked = await found(tmp_path, **shared(careless), database_url=postgres_url, secret=SECRET)
    (database,) = looked["database durability"]
    (bus,) = looked["message bus durability"]
    assert (database.state, "synchronous_commit" in database.says) == ("wrong", True)
    assert (bus.state, "sync_interval" in bus.says) == ("wrong", True)
    assert [one.state for one in looked["clock"]] == ["ok", "ok"]
    assert states(looked["nats-server"]) == {"ok"}
    assert states(looked["secret"]) == {"ok"}


def shared(nats: Nats) -> dict[str, str]:
    return {"nats_url": nats.url, "nats_token": nats.token, "nats_proof": nats.proof}


async def test_a_secret_that_others_can_read_or_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o644)
    (open_to_all,) = (await found(tmp_path))["secret"]
    assert "chmod 600" in open_to_all.todo
    (tmp_path / "secret").chmod(stat.S_IRUSR)
    assert states((await found(tmp_path))["secret"]) == {"ok"}
    (tmp_path / "secret").unlink()
    (tmp_path / "calotype.sqlite").touch()
    (gone,) = (await found(tmp_path))["secret"]
    assert (gone.state, "gone" in gone.says) == ("wrong", True)


@pytest.mark.parametrize(
    ("release", "state"),
    [("2.12.5", "wrong"), ("2.12.6", "ok"), ("2.15.1-rc.1", "ok"), ("2.9.99", "wrong")],
)
def test_a_release_is_compared_by_its_numbers(release: str, state: str) -> None:
    assert releases.judged_nats(release).state == state


@pytest.mark.parametrize(
    ("off", "state"), [(0.4, "ok"), (-0.4, "ok"), (5, "warning"), (-90, "wrong")]
)
def test_clocks_may_differ_by_little(off: float, state: str) -> None:
    assert judged("database", off).state == state


def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = (
        "1 0 0:1 / / rw - ext4 /dev/sda rw\n"
        "2 1 0:2 / /mnt/pictures\\040here rw - nfs4 host:/x rw\n"
        "3 1 0:3 / /mnt rw - xfs /dev/sdb rw\n"
    )
    assert kind_of(Path("/mnt/pictures here/data"), mounts) == "nfs4"
    assert kind_of(Path("/mnt/pictures"), mounts) == "xfs"
    assert kind_of(Path("/srv"), mounts) == "ext4"
