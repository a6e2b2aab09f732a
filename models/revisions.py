"""Alembic on an open connection: its transaction is the caller's."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, revision: str, told: Callable[[], None] | None = None) -> None:
    """Up to `revision`; `told` is called after each one on the way."""
    config = _config(connection)
    config.attributes["told"] = told
    command.upgrade(config, revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Down to `revision`."""
    command.downgrade(_config(connection), revision)


def differences(engine: Engine) -> None:
    """Raise alembic's CommandError when the tables in code and in the database differ."""
    with engine.begin() as connection:
        command.check(_config(connection))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
