"""Revisions of the schema: up, down, up again with data; none breaks the release before it."""

import contextlib
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.types import Boolean, DateTime, Integer, LargeBinary

from models import revisions, schema
from models.accounts import find_account, open_account
from models.database import Database, open_database
from models.schema import current, migrate, newest, refuse_unfit, revert
from models.settings import SettingsError

# What they are made from has loaded everything once; eight that load it each take most of a minute.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["models.database", "models.revisions", "models.schema", __name__]
)
STARTING = 8

EXPANDING = """
    op.create_table("future", sa.Column("id", sa.String(), primary_key=True))
    op.add_column("image", sa.Column("mood", sa.String(), nullable=True))
    op.add_column("account", sa.Column("plan", sa.String(), nullable=False, server_default="free"))
    op.create_index("ix_image_mood", "image", ["mood"])
"""
BACK = """
    op.drop_index("ix_image_mood")
    op.drop_column("account", "plan")
    op.drop_column("image", "mood")
    op.drop_table("future")
"""
CONTRACTING = '\n    op.drop_column("image", "mood")\n'


Add = Callable[[str, str, str], None]


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Add:
    """Add a revision, its way up and its way down, to those of a release of the future."""
    folder = tmp_path / "migrations"
    shutil.copytree(revisions.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(revisions, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "VERSIONS", folder / "versions")

    def added(revision: str, up: str, down: str) -> None:
        before = newest()
        (folder / "versions" / f"{revision[:4]}_next.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n"
            f'revision = "{revision}"\ndown_revision = "{before}"\n'
            f"def upgrade():\n{up}\ndef downgrade():\n{down}\n"
        )

    return added


def every_revision() -> list[str]:
    """The identifiers of all revisions, oldest first."""
    files = sorted(schema.VERSIONS.glob("[0-9]*_*.py"))
    texts = (file.read_text() for file in files)
    return [text.partition('\nrevision = "')[2].partition('"')[0] for text in texts]


def tables(database: Database) -> MetaData:
    found = MetaData()
    found.reflect(database.engine)
    return found


# With data


def fill(database: Database) -> None:
    """A row in every table; each refers to the others."""
    with database.engine.begin() as connection:
        for table in tables(database).sorted_tables:
            if table.name != "alembic_version":
                connection.execute(table.insert().values(row_of(table)))


def row_of(table: Table) -> dict[str, object]:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    samples = {Boolean: True, Integer: 1, DateTime: when, LargeBinary: b"1"}
    kinds = ((column, samples.items()) for column in table.columns)
    return {
        column.name: next((one for kind, one in known if isinstance(column.type, kind)), "1")
        for column, known in kinds
    }


def content(connection: Connection, table: Table) -> list[dict[str, object]]:
    return [dict(row) for row in connection.execute(table.select()).mappings()]


def kept(database: Database) -> dict[str, list[dict[str, object]]]:
    with database.engine.connect() as connection:
        found = tables(database).sorted_tables
        return {table.name: content(connection, table) for table in found}


def lost(before: dict[str, list[dict[str, object]]], database: Database) -> list[str]:
    """What of the rows of before is not as it was, in tables and columns that there still are."""
    after = kept(database)
    return [
        f"{name}.{column}"
        for name, rows in before.items()
        if rows and name in after and name != "alembic_version"
        for column, value in rows[0].items()
        if column in after[name][0] and after[name][0][column] != value
    ]


def up_down_up(database: Database, revision: str) -> None:
    migrate(database.engine, revision)
    fill(database)
    before = kept(database)
    migrate(database.engine)
    assert lost(before, database) == []
    before = kept(database)  # what was taken away on the way is gone for good
    revert(database.engine, revision)
    assert (current(database.engine), lost(before, database)) == (revision, [])
    migrate(database.engine)
    assert (current(database.engine), lost(before, database)) == (newest(), [])
    revert(database.engine)
    assert set(tables(database).tables) <= {"alembic_version"}


def test_every_revision_is_gone_up_from_back_to_and_up_again_with_its_data(bare: Database) -> None:
    for revision in every_revision():
        up_down_up(bare, revision)


def test_so_it_is_with_the_revisions_of_a_release_to_come(bare: Database, add: Add) -> None:
    add("0002_since_0001", EXPANDING, BACK)
    add(
        "0003_since_0002",
        CONTRACTING.replace("op.", "op.drop_index('ix_image_mood'); op."),
        '\n    op.add_column("image", sa.Column("mood", sa.String()))'
        '\n    op.create_index("ix_image_mood", "image", ["mood"])\n',
    )
    for revision in every_revision():
        up_down_up(bare, revision)


# Several at once


def test_processes_that_start_at_once_migrate_once(address: tuple[str, Path]) -> None:
    with _PROCESSES.Pool(STARTING) as processes:
        before = processes.map(migrate_at, [address] * STARTING, chunksize=1)
        processes.close()
        processes.join()
    assert sorted(before) == ["", *[newest()] * (STARTING - 1)]


def migrate_at(address: tuple[str, Path]) -> str:
    with contextlib.closing(open_database(*address, 1)) as database:
        return migrate(database.engine)


# Expand, then contract


def taken_away(before: MetaData, after: MetaData) -> list[str]:
    """What a release that knows `before` would miss, or be refused by, in `after`."""
    found = [f"table {name}" for name in before.tables if name not in after.tables]
    for name, table in before.tables.items():
        if name in after.tables:
            found += _columns_taken(table, after.tables[name])
            found += _rules_added(table, after.tables[name])
    return found


def _columns_taken(before: Table, after: Table) -> Iterator[str]:
    for column in before.columns:
        now = after.columns.get(column.name)
        if now is None:
            yield f"column {column}"
        elif str(now.type) != str(column.type) or (column.nullable and not now.nullable):
            yield f"what {column} may hold"
    for column in after.columns:
        if column.name not in before.columns and not column.nullable and not column.server_default:
            yield f"rows without {column}"


def _rules_added(before: Table, after: Table) -> Iterator[str]:
    def rules(table: Table) -> set[str]:
        unique = {str(index.name) for index in table.indexes if index.unique}
        return unique | {str(rule.name) for rule in table.constraints}

    for rule in rules(after) - rules(before):
        yield f"what {rule} forbids"


def added(before: MetaData, after: MetaData) -> list[str]:
    """Tables and columns that there were not."""
    columns = (column for table in after.tables.values() for column in table.columns)
    return [
        str(column)
        for column in columns
        if column.table.name not in before.tables
        or column.name not in before.tables[column.table.name].columns
    ]


def broken_promises(database: Database) -> list[str]:
    """Revisions that expand and contract, or whose names promise more than they keep."""
    found, last = [], ""
    for revision in every_revision():
        before = tables(database)
        migrate(database.engine, revision)
        after = tables(database)
        taken = taken_away(before, after) if last else []
        oldest = schema.number_of(last) if taken else schema.floor_of(last)
        if taken and added(before, after):
            found.append(f"{revision} adds, and takes away {taken}")
        if last and schema.floor_of(revision) < oldest:
            found.append(f"{revision} takes away {taken}: it works since {oldest}")
        last = revision
    return found


def test_no_revision_takes_away_what_the_releases_it_names_need(bare: Database) -> None:
    assert broken_promises(bare) == []


@pytest.mark.parametrize(
    ("revision", "up", "named"),
    [
        ("0003_since_0001", 'op.drop_table("future")', "table future"),
        ("0003_since_0001", 'op.drop_column("account", "plan")', "column account.plan"),
        (
            "0003_since_0002",
            'op.alter_column("account", "plan", new_column_name="offer")',
            "column account.plan",
        ),
        (
            "0003_since_0002",
            'op.add_column("future", sa.Column("x", sa.String(), nullable=False))',
            "rows without future.x",
        ),
        (
            "0003_since_0001",
            'op.create_index("ux", "account", ["storage_used"], unique=True)',
            "what ux forbids",
        ),
    ],
)
def test_a_revision_that_promises_too_much_is_noticed(
    memory: Path, add: Add, revision: str, up: str, named: str
) -> None:
    with contextlib.closing(open_database("", memory, 1)) as database:
        add("0002_since_0001", EXPANDING, BACK)
        add(revision, f"    {up}", "    pass")
        assert any(named in broken for broken in broken_promises(database))


async def test_a_release_works_on_a_schema_that_was_only_expanded(
    bare: Database, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("0002_since_0001", EXPANDING, BACK)
    assert broken_promises(bare) == []
    monkeypatch.undo()
    assert migrate(bare.engine) == "0002_since_0001", "and leaves it alone"
    refuse_unfit(current(bare.engine))
    account = await bare.run(open_account, "as ever", 1, 1)
    assert (await bare.read(find_account, "as ever")).id == account.id


def test_a_release_that_starts_on_a_schema_without_what_it_needs_is_refused(
    bare: Database,
) -> None:
    migrate(bare.engine)
    with bare.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0003_since_0002'"))
    with pytest.raises(SettingsError, match="0003_since_0002"):
        migrate(bare.engine)
    assert current(bare.engine) == "0003_since_0002"


@pytest.mark.parametrize(
    ("have", "said"),
    [
        ("", "is empty.*calotype migrate"),
        ("0000", "is 0000.*calotype migrate"),
        ("0003_since_0002", "0003_since_0002.*what it needs is gone"),
        ("0009", "what it needs is gone"),
    ],
)
def test_a_schema_that_is_too_old_or_too_new_is_refused_by_name(have: str, said: str) -> None:
    assert schema.number_of(newest()) == "0001", "name revisions around the newest one"
    with pytest.raises(SettingsError, match=said):
        refuse_unfit(have)
    refuse_unfit(newest())
    refuse_unfit("0002_since_0001")
