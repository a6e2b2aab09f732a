"""The schema: any database comes to this release's tables, by whoever comes first, and back."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from models.database import Database, open_database, open_postgres, open_sqlite
from models.records import Record
from models.revisions import differences
from models.schema import current, migrate, newest, revert


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_a_new_database_gets_every_table(bare: Database) -> None:
    assert current(bare.engine) == ""
    assert migrate(bare.engine) == ""
    assert current(bare.engine) == newest() != ""
    assert tables(bare) == set(Record.metadata.tables)


def test_the_schema_and_the_code_do_not_differ(bare: Database) -> None:
    migrate(bare.engine)
    differences(bare.engine)


def test_a_missing_column_would_be_noticed(bare: Database) -> None:
    migrate(bare.engine)
    with bare.engine.begin() as connection:
        connection.execute(text("ALTER TABLE outbox DROP COLUMN payload"))
    with pytest.raises(Exception, match="payload"):
        differences(bare.engine)


def test_the_way_down_leads_to_nothing_and_up_again(bare: Database) -> None:
    migrate(bare.engine)
    revert(bare.engine)
    assert tables(bare) == set()
    migrate(bare.engine)
    differences(bare.engine)


def test_every_step_can_be_gone_back_and_forth(bare: Database) -> None:
    migrate(bare.engine)
    while current(bare.engine):
        before = current(bare.engine)
        revert(bare.engine, "-1")
        assert current(bare.engine) != before
    migrate(bare.engine)
    differences(bare.engine)


def test_migrating_a_migrated_database_changes_nothing(bare: Database) -> None:
    migrate(bare.engine)
    assert migrate(bare.engine) == newest()


def test_two_threads_that_migrate_at_once_are_one_migration(address: tuple[str, Path]) -> None:
    with ThreadPoolExecutor(4) as threads:
        before = list(threads.map(migrate_at, [address] * 4))
    assert sorted(before) == ["", newest(), newest(), newest()]


def migrate_at(address: tuple[str, Path]) -> str:
    with contextlib.closing(open_database(*address, 1)) as database:
        return migrate(database.engine)


def test_a_failing_migration_leaves_nothing_behind(bare: Database) -> None:
    with bare.engine.begin() as connection:
        connection.execute(text("CREATE TABLE variant (id TEXT)"))
    with pytest.raises(Exception, match="variant"):
        migrate(bare.engine)
    assert tables(bare) == {"variant"}
    assert current(bare.engine) == ""


def test_balances_cannot_be_negative_whoever_writes(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO account (id, name, credits_free, credits_paid, storage_used, "
                "storage_total, created_at) VALUES ('a', 'a', 0, 0, 0, 0, CURRENT_TIMESTAMP)"
            )
        )
    for column in ("credits_free", "credits_paid", "storage_used"):
        with pytest.raises(Exception, match="not_negative"), database.engine.begin() as connection:
            connection.execute(text(f"UPDATE account SET {column} = -1"))  # noqa: S608 our names


def test_another_programs_file_is_not_a_database(tmp_path: Path) -> None:
    file = tmp_path / "calotype.sqlite"
    file.write_bytes(b"not a database " * 1000)
    with contextlib.closing(open_sqlite(file, 1)) as database, pytest.raises(DatabaseError):
        migrate(database.engine)
    assert file.read_bytes() == b"not a database " * 1000


def test_an_address_may_be_spelled_both_ways(postgres_url: str) -> None:
    for scheme in ("postgres", "postgresql"):
        url = postgres_url.replace("postgresql", scheme, 1)
        with contextlib.closing(open_postgres(url, 1)) as database:
            assert current(database.engine) == newest()
