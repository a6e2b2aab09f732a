"""A database that a power cut would take something from is refused by name."""

import contextlib
from pathlib import Path

import pysqlite3.dbapi2
import pytest
from psycopg import sql
from sqlalchemy import event

from models.database import Database, open_postgres, open_sqlite
from models.durable import refuse_undurable
from models.settings import SettingsError
from tests.servers import Postgres


async def test_what_we_open_keeps_what_it_commits(database: Database) -> None:
    await database.run(refuse_undurable)


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
async def test_a_postgres_that_commits_before_it_is_on_disk_is_refused_by_name(
    postgres: Postgres, postgres_url: str, value: str
) -> None:
    name = sql.Identifier(postgres_url.rpartition("/")[2])
    change = sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}")
    postgres.execute(change.format(name, sql.Identifier(value)))
    await refused(postgres_url, f"synchronous_commit = {value}")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
async def test_a_postgres_that_does_not_sync_is_refused_by_name(
    postgres: Postgres, postgres_url: str, name: str
) -> None:
    setting = sql.Identifier(name)
    try:
        postgres.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(setting))
        postgres.execute(sql.SQL("SELECT pg_reload_conf()").format())
        await refused(postgres_url, rf"CALOTYPE_DATABASE_URL.*{name} = off")
    finally:
        postgres.execute(sql.SQL("ALTER SYSTEM RESET {}").format(setting))
        postgres.execute(sql.SQL("SELECT pg_reload_conf()").format())


async def refused(url: str, told: str) -> None:
    with (
        contextlib.closing(open_postgres(url, 2)) as database,
        pytest.raises(SettingsError, match=told),
    ):
        await read_for_a_while(database)


async def read_for_a_while(database: Database) -> None:
    """The server reads its configuration again a moment after it is told to."""
    for _ in range(1000):
        await database.run(refuse_undurable)


@pytest.mark.parametrize(
    ("pragma", "told"),
    [("journal_mode=DELETE", "journal_mode = delete"), ("synchronous=NORMAL", "synchronous = 1")],
)
async def test_an_sqlite_that_does_not_sync_is_refused_by_name(
    sqlite_file: Path, pragma: str, told: str
) -> None:
    with contextlib.closing(open_sqlite(sqlite_file, 1)) as database:
        event.listen(database.engine, "connect", lambda made, _: made.execute(f"PRAGMA {pragma}"))
        with pytest.raises(SettingsError, match=rf"{told}.*--data"):
            await database.run(refuse_undurable)


def test_an_sqlite_that_can_corrupt_a_database_is_not_opened(
    sqlite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ((3, 7, 0), (3, 51, 2)):
        monkeypatch.setattr(pysqlite3.dbapi2, "sqlite_version_info", version)
        with pytest.raises(SettingsError, match="SQLite"):
            open_sqlite(sqlite_file, 1)
