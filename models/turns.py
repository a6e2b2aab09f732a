"""One at a time, of all processes: a turn that ends with its holder, however that ends."""

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from models.errors import Unavailable

# A holder whose machine lost its power is known to be gone after some ten seconds, not two hours.
_NOTICE = ("tcp_keepalives_idle = 5", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 3")


@contextlib.contextmanager
def turn(engine: Engine, name: str) -> Iterator[bool]:
    """Whether it is our turn to do `name` until the block ends; nobody else's then.

    Postgres keeps a lock of a session for it, SQLite's one machine a lock of a file: both fall
    with the process. Blocks for a moment; raises Unavailable when the database is away.
    """
    taking = _file_turn if engine.name == "sqlite" else _session_turn
    with taking(engine, name) as ours:
        yield ours


@contextlib.contextmanager
def _session_turn(engine: Engine, name: str) -> Iterator[bool]:
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(engine.connect())
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # a connection of its own: the pool gets another one
            ours = _lock(connection, name)
        except OperationalError as error:
            raise Unavailable("The database is not available right now.") from error
        yield ours


def _lock(connection: Connection, name: str) -> bool:
    for setting in _NOTICE:
        connection.execute(text(f"SET {setting}"))
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    locked = connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number})
    return bool(locked.scalar_one())


@contextlib.contextmanager
def _file_turn(engine: Engine, name: str) -> Iterator[bool]:
    with Path(f"{engine.url.database}.{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
