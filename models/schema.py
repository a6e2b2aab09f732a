"""The schema: brought to the revision this release needs, by whoever comes first.

Revisions are made by Alembic. Loading it takes a quarter of a second, so it is loaded when there is
something to migrate: most starts find the schema as they need it.

A revision only expands, so that the release before it still works while an upgrade is rolled, or it
only contracts, takes away what that release no longer needs. Its name says the oldest release that
can work on it: 0007_since_0005.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from models.settings import SettingsError

VERSIONS = Path(__file__).parent / "migrations" / "versions"

# Any number will do, as long as every process of every release takes the same.
_LOCK = 7_206_021_835

_BUSY = ("55P03", "40P01")  # lock_not_available, deadlock_detected
_TRIES = 60
_PAUSE = 0.5


def migrate(engine: Engine, revision: str = "head", told: Callable[[], None] | None = None) -> str:
    """Bring the schema to `revision`, one process at a time; the revision it had before.

    `told` is called after each revision on the way. That of a newer release is left alone. Raises
    SettingsError when this one cannot work on it.

    Who works meanwhile goes first: the change is given up and tried again, before Postgres would
    look for a deadlock and end the work of somebody else.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(_Contested):
            return _migrate(engine, revision, told)
        time.sleep(_PAUSE)
    return _migrate(engine, revision, told)


class _Contested(Exception):
    """Somebody else has what is to be changed."""


@contextlib.contextmanager
def _contested() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) in _BUSY:
            raise _Contested("The tables are in use.") from error
        raise


def _migrate(engine: Engine, revision: str, told: Callable[[], None] | None) -> str:
    with _contested(), engine.begin() as connection:
        _wait_for_turn(connection)
        before = revision_of(connection)
        if number_of(before) > number_of(newest()):
            refuse_unfit(before)
        elif revision != "head" or before != newest():
            from models import revisions  # noqa: PLC0415 see the module's docstring

            revisions.upgrade(connection, revision, told)
        return before


def refuse_unfit(have: str) -> None:
    """Raise SettingsError unless this release works on a schema of revision `have`."""
    if reason := unfit(have):
        raise SettingsError(reason)


def unfit(have: str) -> str:
    """Why this release cannot work on a schema of this revision; empty when it can."""
    need = newest()
    if number_of(have) < number_of(need):
        return (
            f"The database schema is {have or 'empty'}, this release needs {need}: "
            "run 'calotype migrate'."
        )
    if floor_of(have) > number_of(need):
        return (
            f"The database schema is {have}, and this release knows {need}: what it needs is gone. "
            "Run the release that migrated it, or a later one."
        )
    return ""


def number_of(revision: str) -> str:
    """What revisions are compared by."""
    return revision.partition("_")[0]


def floor_of(revision: str) -> str:
    """The number of the oldest release that works on this revision."""
    return revision.rpartition("_")[2]


def revert(engine: Engine, revision: str = "base") -> None:
    """Take the schema back to `revision`."""
    from models import revisions  # noqa: PLC0415 see the module's docstring

    with engine.begin() as connection:
        _wait_for_turn(connection)
        revisions.downgrade(connection, revision)


def newest() -> str:
    """The revision this release needs: files of revisions begin with their number."""
    file = _files()[-1]
    found = re.search(r'^revision = "(\w+)"$', file.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(file.name)
    return found[1]


def count_after(revision: str) -> int:
    """How many revisions of this release come after that one."""
    return sum(number_of(file.name) > number_of(revision) for file in _files())


def _files() -> list[Path]:
    return sorted(VERSIONS.glob("[0-9]*_*.py"))


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
        connection.execute(text("SET LOCAL lock_timeout = '500ms'"))  # half of deadlock_timeout
