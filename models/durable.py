"""What is committed survives a power cut, or we do not start."""

from sqlalchemy import text
from sqlmodel import Session

from models.settings import SettingsError

_POSTGRES = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_apply"),
}
_SQLITE = {"journal_mode": ("wal",), "synchronous": ("2", "3")}  # 2 is FULL, 3 is EXTRA


def refuse_undurable(session: Session) -> None:
    """Raise SettingsError unless the database keeps what it commits, whatever happens."""
    if session.get_bind().dialect.name == "sqlite":
        _refuse_sqlite(session)
    else:
        _refuse_postgres(session)


def _refuse_postgres(session: Session) -> None:
    for name, good in _POSTGRES.items():
        found = _asked(session, f"SHOW {name}")
        if found not in good:
            raise SettingsError(
                f"The Postgres of CALOTYPE_DATABASE_URL has {name} = {found}: a power cut would "
                f"take away what was accepted. Set {name} = on (ALTER SYSTEM, ROLE or DATABASE)."
            )


def _refuse_sqlite(session: Session) -> None:
    for name, good in _SQLITE.items():
        found = _asked(session, f"PRAGMA {name}")
        if found not in good:
            raise SettingsError(
                f"SQLite in the data folder has {name} = {found} and cannot be given another: "
                "choose a --data folder on a local file system."
            )


def _asked(session: Session, question: str) -> str:
    return str(session.connection().execute(text(question)).scalar()).lower()
