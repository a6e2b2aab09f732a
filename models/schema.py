"""The schema: brought to the revision this release needs, by whoever comes first."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

# Any number will do, as long as every process of every release takes the same.
_LOCK = 7_206_021_835


def migrate(engine: Engine, revision: str = "head") -> str:
    """Bring the schema to `revision`, one process at a time; the revision it had before."""
    with engine.begin() as connection:
        _wait_for_turn(connection)
        before = _current(connection)
        if before != newest():
            command.upgrade(_config(connection), revision)
        return before


def revert(engine: Engine, revision: str = "base") -> None:
    """Take the schema back to `revision`."""
    with engine.begin() as connection:
        _wait_for_turn(connection)
        command.downgrade(_config(connection), revision)


def differences(engine: Engine) -> None:
    """Raise alembic's CommandError when the tables in code and in the database differ."""
    with engine.begin() as connection:
        command.check(_config(connection))


def newest() -> str:
    """The revision this release needs."""
    return ScriptDirectory(str(_folder())).get_current_head() or ""


def current(engine: Engine) -> str:
    """The revision a database has, empty for a new one."""
    with engine.connect() as connection:
        return _current(connection)


def _current(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _wait_for_turn(connection: Connection) -> None:
    """One migration at a time: SQLite's transaction is exclusive already, Postgres takes a lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_folder()))
    config.attributes["connection"] = connection
    return config


def _folder() -> Path:
    return Path(__file__).parent / "migrations"
