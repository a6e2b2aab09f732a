"""The schema: brought to the revision this release needs, by whoever comes first.

Revisions are made by Alembic. Loading it takes a quarter of a second, so it is loaded when there is
something to migrate: most starts find the schema as they need it.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

# Any number will do, as long as every process of every release takes the same.
_LOCK = 7_206_021_835


def migrate(engine: Engine, revision: str = "head") -> str:
    """Bring the schema to `revision`, one process at a time; the revision it had before."""
    with engine.begin() as connection:
        _wait_for_turn(connection)
        before = revision_of(connection)
        if revision != "head" or before != newest():
            from models import revisions  # noqa: PLC0415 see the module's docstring

            revisions.upgrade(connection, revision)
        return before


def revert(engine: Engine, revision: str = "base") -> None:
    """Take the schema back to `revision`."""
    from models import revisions  # noqa: PLC0415 see the module's docstring

    with engine.begin() as connection:
        _wait_for_turn(connection)
        revisions.downgrade(connection, revision)


def newest() -> str:
    """The revision this release needs: files of revisions begin with their number."""
    folder = Path(__file__).parent / "migrations" / "versions"
    return max(file.name.partition("_")[0] for file in folder.glob("[0-9]*_*.py"))


def current(engine: Engine) -> str:
    """The revision a database has, empty for a new one."""
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str:
    """The same, on an open connection."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found or "")


def _wait_for_turn(connection: Connection) -> None:
    """One migration at a time: SQLite's transaction is exclusive already, Postgres takes a lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
