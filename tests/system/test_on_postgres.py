"""A real system on Postgres: its plans, its schema expanded under load, its connections used up."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from models.database import open_postgres
from models.schema import migrate
from tests.servers import Postgres
from tests.system.drawn import photo
from tests.system.world import World, eventually, world
from tests.test_migrations import BACK, EXPANDING, Add, add

__all__ = ["add"]  # a fixture

# What may read a table from end to end: a piece of the statement, and why that is right.
ALLOWED = {
    "outbox": ("outbox.sent_at <", "the sweep of rows that were sent, which stay for an hour"),
    "bucket": ("bucket.deleted_at <", "the sweep of deleted buckets; accounts have a handful"),
}
_LOGGED = re.compile(r"LOG:  (?:execute [^:]*|statement): (.*?)\n(?=\S)", re.DOTALL)
_PLANNED = ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    """A database of this file's own, whose statements are all in the server's log."""
    with postgres.fresh("of_a_system", "empty") as made:
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute("ALTER DATABASE of_a_system SET log_statement = 'all'")
        yield made


@pytest.fixture(scope="module")
def system(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("postgres") / "data"
    more = {"CALOTYPE_DATABASE_URL": url, "CALOTYPE_DATABASE_POOL": "4"}
    with world(folder, **more) as started:
        yield started


def journey(system: World) -> None:
    """Whatever customers and operators do, once."""
    http = system.http
    gallery = http.post("/api/v1/galleries", json={"name": "one"}).json()
    uploads = [system.upload(photo(n, 90), resizeOptions={"width": 50}) for n in (80, 90, 100)]
    image = uploads[0].json()["data"][0]
    served = f"{image['urlBase']}/{image['metadata'][0]['objectKey']}"
    httpx2.get(served, trust_env=False)
    httpx2.get(f"{served}?w=20&f=webp", trust_env=False)
    for path in (
        "images",
        "images?page=2&limit=1",
        "images?bucket=default&search=picture",
        f"images/{image['id']}",
        "galleries",
        "galleries/ungrouped",
        f"galleries/{(gallery.get('data') or gallery).get('id', 'x')}",
        "buckets",
        "keys",
        "presets",
        "url-keys",
        "orders/nothing",
    ):
        assert http.get(f"/api/v1/{path}").status_code < 500, path
    http.post("/api/v1/keys", json={"name": "another", "permissions": ["images-read"]})
    http.post("/api/v1/purge", json={"images": [image["id"]]})
    http.patch(f"/api/v1/images/{image['id']}", data={"ratio": "1"})
    http.delete(f"/api/v1/images/{image['id']}")
    system.upload(photo(80, 80), resizeOptions={"width": 5}, replace="true")
    system.upload(b"not an image")


def statements(url: str) -> set[str]:
    """Everything that was asked of this database, as it was asked."""
    with psycopg.connect(url) as connection:
        (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    log = (Path(data).parent / "log").read_text()
    asked = {found.replace("\n\t", "\n").strip() for found in _LOGGED.findall(log)}
    return {one for one in asked if one.startswith(_PLANNED) and "pg_catalog" not in one}


def scans(plan: dict[str, Any], partial: set[str], limited: bool = False) -> Iterator[str]:
    """Tables that a plan reads from end to end: without an index, or all of one.

    All of a partial index is what it is there for.
    """
    kind, limited = plan["Node Type"], limited or plan["Node Type"] == "Limit"
    whole = (
        kind in ("Index Scan", "Index Only Scan")
        and "Index Cond" not in plan
        and plan["Index Name"] not in partial
    )
    if kind == "Seq Scan" or (whole and not limited):
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scans(part, partial, limited)


def explained(url: str) -> dict[str, set[str]]:
    """The tables that are read from end to end, and by which statements."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET log_statement = 'none'")
        connection.execute("SET enable_seqscan = off")
        asked = "SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL"
        partial = {str(name) for (name,) in connection.execute(asked)}
        for statement in statements(url):
            with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.SyntaxError):
                question = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}"
                (told,) = connection.execute(question.encode()).fetchone() or ("[]",)
                plans = told if isinstance(told, list) else json.loads(told)
                for table in scans(plans[0]["Plan"], partial):
                    if table in ALLOWED and ALLOWED[table][0] in statement:
                        continue
                    found.setdefault(table, set()).add(statement)
    return found


def test_every_query_has_its_index(system: World, url: str) -> None:
    journey(system)
    system.run("reconcile", "--json")
    assert len(statements(url)) > 60, "the log was read"
    assert explained(url) == {}


def test_a_query_without_an_index_would_be_noticed(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT id FROM image WHERE description = 'x'")
    assert "image" in explained(url)


def test_a_system_works_on_while_its_schema_is_expanded(system: World, url: str, add: Add) -> None:
    """The next release migrates while this one has uploads in hand, and then starts again."""
    answers: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            answers.append(system.upload(photo(60, 60), resizeOptions={"width": 30}).status_code)

    loading = threading.Thread(target=load)
    loading.start()
    try:
        eventually(lambda: answers, seconds=60)
        add("0002_since_0001", EXPANDING, BACK)
        with contextlib.closing(open_postgres(url, 1)) as database:
            assert migrate(database.engine) == "0001"
        before = len(answers)
        eventually(lambda: len(answers) > before + 3, seconds=90)
    finally:
        over.set()
        loading.join()
    assert set(answers) == {200}
    system.stop()
    system.start()
    assert system.upload(photo(60, 60)).status_code == 200


def test_a_postgres_without_a_connection_to_give_is_waited_for_and_not_died_of(
    system: World, url: str, postgres: Postgres
) -> None:
    name = url.rpartition("/")[2]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        held = used(admin, name)
        assert held <= 4
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        answer = system.http.get("/api/v1/images")
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True), answer.text
        eventually(lambda: system.http.get("/api/v1/images").status_code == 200, seconds=30)
        assert used(admin, name) <= 4


def used(admin: psycopg.Connection[Any], name: str) -> int:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    (count,) = admin.execute(asked, (name,)).fetchone() or (0,)
    return int(count)
