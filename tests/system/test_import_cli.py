"""`calotype import` against a real system: each picture once, whatever interrupts it."""

import contextlib
import http.server
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pysqlite3.dbapi2
import pytest
from click.testing import CliRunner

from gateway import desk
from gateway.cli import main
from gateway.cli_admin import run_once
from gateway.folder import secret_of
from models.columns import now
from models.settings import Settings
from tests.pictures import jpeg
from tests.servers import Postgres, free_ports
from tests.system.drawn import photo
from tests.system.world import CALOTYPE, World, clean_environment, eventually, world

COUNT = 24
PER_SECOND = 8
LARGEST = 100_000


class Town(NamedTuple):
    """A slow system, and a server of pictures elsewhere."""

    world: World
    source: str


class Ran(NamedTuple):
    code: int
    told: dict[str, Any]
    error: str
    failures: list[dict[str, Any]]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    (port,) = free_ports(1)
    environment = {
        "CALOTYPE_RATE_LIMIT_PIXELS": f"{PER_SECOND}/second",
        "CALOTYPE_MAX_FILE_BYTES": str(LARGEST),
        "CALOTYPE_SOURCE_LOOPBACK_PORTS": str(port),
    }
    folder = tmp_path_factory.mktemp("town")
    with serving_pictures(port), world(folder / "data", **environment) as made:
        yield Town(made, f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def serving_pictures(port: int) -> Iterator[None]:
    picture = jpeg(40, 30)

    class Pictures(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if "missing" in self.path else 200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of folders; two pictures in it have the same name, two the same bytes."""
    folder = tmp_path / "pictures"
    for number in range(COUNT):
        file = folder / f"trip {number % 3}" / f"p{number // 3}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(40 + max(1, number), 30))
    return folder


def command(source: Path | str, api: str, *more: object) -> list[str]:
    given = [str(CALOTYPE), "import", str(source), "--api", api, "--jobs", "6", "--json"]
    return [*given, *map(str, more)]


def environment(key: str, tmp_path: Path) -> dict[str, str]:
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "CALOTYPE_KEY": key}
    return clean_environment() | state


def run(
    source: Path | str, api: str, key: str, tmp_path: Path, *more: object, said: str = ""
) -> Ran:
    done = subprocess.run(
        command(source, api, *more),
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env=environment(key, tmp_path),
    )
    failures = tmp_path / "calotype-import-failures.jsonl"
    lines = failures.read_text().splitlines() if failures.exists() else []
    told = json.loads(done.stdout) if done.stdout else {}
    return Ran(done.returncode, told, done.stderr, [json.loads(line) for line in lines])


def account(made: World, name: str, worth: int = 10_000) -> tuple[str, httpx2.Client]:
    """A fresh account's key, and its API."""
    settings = Settings(data=made.data)
    run_once(settings, desk.create_account, name, worth, 10**9)
    given = (secret_of(settings), name, "a test's", ("all",))
    key = run_once(settings, desk.create_key, *given)["key"]
    headers = {"Authorization": f"Bearer {key}"}
    return key, httpx2.Client(base_url=made.api, headers=headers, timeout=60, trust_env=False)


def names(client: httpx2.Client) -> list[str]:
    answer = client.get("/api/v1/images?limit=200")
    return sorted(one["originalName"] for one in answer.json()["data"])


def expected(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*.jpg"))


def journal(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "state" / "calotype").glob("import-*.jsonl")
    return found


def lines(file: Path, word: str) -> list[dict[str, Any]]:
    return [one for one in map(json.loads, file.read_text().splitlines()) if word in one]


def killed_half_way(folder: Path, api: str, key: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(folder, api),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environment(key, tmp_path),
    )

    def half_way() -> bool:
        with contextlib.suppress(ValueError):  # no journal yet
            return journal(tmp_path).read_text().count('"done"') >= COUNT // 4
        return False

    eventually(half_way, seconds=60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


def test_what_is_killed_half_way_goes_on_without_a_picture_twice(
    town: Town, pictures: Path, tmp_path: Path
) -> None:
    key, client = account(town.world, "killed")
    with client:
        killed_half_way(pictures, town.world.api, key, tmp_path)
        done = len(lines(journal(tmp_path), "done"))
        assert done < COUNT
        with journal(tmp_path).open("ab") as torn:
            torn.write(b'{"done":"calotype-imp')  # the kill cut a line off
        again = run(pictures, town.world.api, key, tmp_path)
        assert (again.code, again.failures) == (0, []), again.error
        assert again.told["there"] >= done
        assert names(client) == expected(pictures)
        once_more = run(pictures, town.world.api, key, tmp_path)
        assert (once_more.code, once_more.told["there"]) == (0, COUNT)
        journal(tmp_path).unlink()  # the API itself knows for a day
        assert run(pictures, town.world.api, key, tmp_path).code == 0
        assert names(client) == expected(pictures)


def test_it_waited_when_the_api_said_so(town: Town) -> None:
    (there,) = town.world.run("status", "--json")["roles"]
    numbers = httpx2.get(f"{there['metrics']}/metrics", trust_env=False).text
    counted = [one for one in numbers.splitlines() if 'status="429"' in one and "_total" in one]
    assert counted, "the test before this one was never told to wait"


def test_the_same_on_postgres(postgres: Postgres, pictures: Path, tmp_path: Path) -> None:
    slow = {"CALOTYPE_RATE_LIMIT_PIXELS": f"{PER_SECOND}/second"}
    with (
        postgres.fresh("imported", "empty") as url,
        world(tmp_path / "data", CALOTYPE_DATABASE_URL=url, **slow) as made,
    ):
        killed_half_way(pictures, made.api, made.key, tmp_path)
        assert run(pictures, made.api, made.key, tmp_path).code == 0
        assert names(made.http) == expected(pictures)


def test_what_arrived_more_than_a_day_ago_is_found_and_not_sent_again(
    town: Town, pictures: Path, tmp_path: Path
) -> None:
    """A kill between the upload and the journal, and nobody runs it again for two days."""
    key, client = account(town.world, "late")
    folder = pictures / "trip 1"
    with client:
        assert run(folder, town.world.api, key, tmp_path).code == 0
        forget_the_ends(journal(tmp_path))
        two_days_pass(town.world)
        again = run(folder, town.world.api, key, tmp_path)
        there = len(expected(folder))
        assert (again.code, again.told["there"], again.told["imported"]) == (0, there, 0)
        assert names(client) == expected(folder)


def forget_the_ends(file: Path) -> None:
    begun = (now() - timedelta(days=2)).isoformat()
    kept = [one for one in map(json.loads, file.read_text().splitlines()) if "done" not in one]
    old = [one | {"at": begun} if "begun" in one else one for one in kept]
    file.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in old))


def two_days_pass(made: World) -> None:
    earlier = "strftime('%Y-%m-%d %H:%M:%f000', created_at, '-2 days')"
    with contextlib.closing(pysqlite3.dbapi2.connect(made.data / "calotype.sqlite")) as database:
        database.execute("PRAGMA busy_timeout=10000")
        for table in ("image", "replay"):
            database.execute(f"UPDATE {table} SET created_at = {earlier}")  # noqa: S608
        database.commit()


def test_what_is_refused_is_told_in_a_file_and_tried_again(
    town: Town, pictures: Path, tmp_path: Path
) -> None:
    key, client = account(town.world, "refused")
    folder = pictures / "trip 0"
    (folder / "broken.jpg").write_bytes(b"no picture at all")
    (folder / "large.jpg").write_bytes(photo(1600, 1200))
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.jpg").write_bytes(jpeg(10, 10))
    (folder / "without a suffix").write_bytes(jpeg(41, 31))
    assert (folder / "large.jpg").stat().st_size > LARGEST
    with client:
        ran = run(folder, town.world.api, key, tmp_path)
        assert ran.code == 1
        assert {one["path"]: one["status"] for one in ran.failures} == {
            "broken.jpg": 400,
            "large.jpg": 413,
        }
        assert all(one["reason"] for one in ran.failures)
        assert ran.told["others"] == 1
        assert "without a suffix" in names(client)
        (folder / "large.jpg").unlink()
        (folder / "broken.jpg").write_bytes(jpeg(42, 31))
        again = run(folder, town.world.api, key, tmp_path)
        assert (again.code, again.told["imported"], again.failures) == (0, 1, [])


def test_without_credits_it_stops_and_goes_on_when_there_are_some(
    town: Town, pictures: Path, tmp_path: Path
) -> None:
    key, client = account(town.world, "poor", worth=2)
    folder = pictures / "trip 2"
    with client:
        ran = run(folder, town.world.api, key, tmp_path)
        assert ran.code == 3
        assert "credits" in ran.error
        assert (ran.told["imported"], ran.told["left"]) == (2, len(expected(folder)) - 2)
        run_once(Settings(data=town.world.data), desk.give, "poor", 100, 0)
        assert run(folder, town.world.api, key, tmp_path).code == 0
        assert names(client) == expected(folder)


def test_a_list_of_urls_with_sizes_formats_and_a_gallery(town: Town, tmp_path: Path) -> None:
    key, client = account(town.world, "urls")
    with client:
        client.post("/api/v1/galleries", json={"name": "Holidays"}).raise_for_status()
        (made,) = client.get("/api/v1/galleries").json()["galleries"]
        listed = f"# two\n{town.source}/a.jpg\n\n{town.source}/a.jpg\n{town.source}/missing.jpg\n"
        asked = ("--resize", "20x10", "--format", "avif:40", "--format", "webp")
        ran = run("-", town.world.api, key, tmp_path, *asked, "--gallery", "Holidays", said=listed)
        assert (ran.code, ran.told["imported"], ran.told["failed"]) == (1, 1, 1)
        (failure,) = ran.failures
        assert failure["path"].endswith("missing.jpg")
        (image,) = client.get("/api/v1/images").json()["data"]
        assert image["galleries"][0]["galleryId"] == made["id"]
        kinds = {one["imageInfo"]["type"] for one in image["metadata"] if one["objectKey"]}
        assert {"avif", "webp"} <= kinds
        elsewhere = run("-", town.world.api, key, tmp_path, "--gallery", "Nowhere", said=listed)
        assert elsewhere.code == 2
        assert "Nowhere" in elsewhere.error


def test_another_accounts_journal_is_not_believed(
    town: Town, pictures: Path, tmp_path: Path
) -> None:
    folder = pictures / "trip 1"
    key, client = account(town.world, "first owner")
    client.close()
    assert run(folder, town.world.api, key, tmp_path).code == 0
    other, client = account(town.world, "second owner")
    with client:
        refused = run(folder, town.world.api, other, tmp_path)
        assert refused.code == 2
        assert "--journal" in refused.error
        own = run(folder, town.world.api, other, tmp_path, "--journal", tmp_path / "own")
        assert (own.code, names(client)) == (0, expected(folder))


def test_what_cannot_work_is_said_at_once(town: Town, pictures: Path, tmp_path: Path) -> None:
    wrong = run(pictures, town.world.api, "sk_wrong", tmp_path)
    assert (wrong.code, wrong.told["left"]) == (3, COUNT)
    away = run(pictures, "http://127.0.0.1:1", "sk_any", tmp_path, "--patience", 2)
    assert away.code == 3
    assert "does not answer" in away.error


@pytest.mark.parametrize("bad", [("--resize", "big"), ("--format", "bmp"), ("--jobs", "0")])
def test_a_wrong_option_sends_nothing(pictures: Path, tmp_path: Path, bad: tuple[str, str]) -> None:
    given = ["--api", "http://127.0.0.1:1", "--key", "sk_any", "--journal", str(tmp_path / "own")]
    assert CliRunner().invoke(main, ["import", str(pictures), *given, *bad]).exit_code == 2


def test_a_dry_run_counts_and_needs_nobody(pictures: Path) -> None:
    (pictures / "notes.txt").write_text("not a picture")
    ran = CliRunner().invoke(main, ["import", str(pictures), "--dry-run", "--json"])
    assert json.loads(ran.stdout) == {"pictures": COUNT, "others": 1}
