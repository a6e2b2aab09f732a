"""The database: a function is a transaction."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pysqlite3.dbapi2
from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from models.errors import Unavailable
from models.meter import Meter, tell_meter
from models.settings import SettingsError

P = ParamSpec("P")
T = TypeVar("T")

# SQLite corrupts a database in WAL mode when a checkpoint and a write of two connections meet,
# from 3.7.0 to 3.51.2 (sqlite.org/wal.html#walresetbug).
OLDEST_SQLITE = (3, 51, 3)

_WAL_SECONDS = 10.0
_QUICK_SECONDS = 0.5

# Without these, libpq waits for a silent server until the kernel gives up: minutes to hours.
_KEEPALIVE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

_LOST = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)


class Database:
    """Runs functions of a session in threads, each call one transaction.

    On SQLite all writes pass one thread and one connection, so they never wait for a lock inside
    this process; reads have connections of their own. On Postgres both share one pool.

    A call takes `patience` seconds at most: a server may fall silent and keep its connections.
    """

    def __init__(
        self,
        write: Engine,
        read: Engine,
        *,
        writers: int,
        readers: int,
        patience: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._write = write
        self._read = read
        self._patience = patience
        self._writers = ThreadPoolExecutor(writers, "database-write")
        self._readers = ThreadPoolExecutor(readers, "database-read")
        self._listeners: list[Callable[[Sequence[Any]], None]] = []
        self._meter = meter or Meter()
        self._under_way: dict[str, set[Future[Any]]] = {"read": set(), "write": set()}
        self._most = {"read": readers, "write": writers}
        self._meter.watch(self._show)

    @property
    def engine(self) -> Engine:
        """The engine that writes; migrations run on it."""
        return self._write

    def on_announced(self, listener: Callable[[Sequence[Any]], None]) -> None:
        """Call `listener` with the outbox rows of every transaction, after its commit."""
        self._listeners.append(listener)

    async def run(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)` and commit, or roll back when it raises.

        Once begun it is finished and announced, even if the caller is cancelled: a commit cannot
        be half known. Raises Unavailable when the database is away, or silent for too long: then
        it is not known whether it will be done.
        """
        begun = self._begun(
            "write",
            self._writers,
            lambda: _transaction(
                self._write, lambda session: work(session, *args, **kwargs), self._meter
            ),
        )
        with self._counting("write"):
            return await self._in_time(begun, asyncio.create_task(self._announced(begun)))

    async def _announced(self, begun: Future[tuple[T, list[Any]]]) -> T:
        result, announced = await asyncio.wrap_future(begun)
        if announced:
            for listener in self._listeners:
                listener(announced)
        return result

    async def _in_time(self, begun: Future[Any], end: asyncio.Future[T]) -> T:
        end.add_done_callback(_look_away)
        with _spent(self._patience) as left:
            done, _ = await asyncio.wait((end,), timeout=left)
        if done:
            return end.result()
        begun.cancel()  # what nobody waits for any more need not begin
        raise Unavailable("The database does not answer right now.")

    async def read(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)` on a connection that only reads."""
        begun = self._begun(
            "read",
            self._readers,
            lambda: _reading(self._read, lambda session: work(session, *args, **kwargs)),
        )
        with self._counting("read"):
            return await self._in_time(begun, asyncio.wrap_future(begun))

    def _begun(self, kind: str, threads: ThreadPoolExecutor, work: Callable[[], T]) -> Future[T]:
        """The work in a thread, and on its clock what it waited and what it took."""
        asked, meter = time.perf_counter(), self._meter

        def clocked() -> T:
            meter.timed(
                "calotype_database_queue_seconds", kind, seconds=time.perf_counter() - asked
            )
            with meter.timing("calotype_database_transaction_seconds", kind):
                return work()

        begun = threads.submit(copy_context().run, clocked)  # what it announces says for whom
        self._under_way[kind].add(begun)
        begun.add_done_callback(self._under_way[kind].discard)
        return begun

    @contextlib.contextmanager
    def _counting(self, kind: str) -> Iterator[None]:
        try:
            yield
        except Unavailable:
            self._meter.count("calotype_database_errors_total", kind)
            raise

    def _show(self) -> None:
        """A thread has a connection of its own while it works."""
        for kind, most in self._most.items():
            used = sum(one.running() for one in self._under_way[kind].copy())
            self._meter.show("calotype_database_connections_used", kind, value=used)
            self._meter.show("calotype_database_connections_limit", kind, value=most)

    def close(self) -> None:
        """Finish what runs, then close every connection."""
        self._writers.shutdown()
        self._readers.shutdown()
        self._write.dispose()
        self._read.dispose()


def _transaction(engine: Engine, work: Callable[[Session], T], meter: Meter) -> tuple[T, list[Any]]:
    with _available(), Session(engine, expire_on_commit=False) as session:
        result = work(session)
        session.commit()
        tell_meter(session, meter)
        return result, session.info.get("announced", [])


def _reading(engine: Engine, work: Callable[[Session], T]) -> T:
    """Read; once more when the connection was found dead, instead of asking each before use."""
    with _available():
        try:
            return _read(engine, work)
        except exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return _read(engine, work)


def _read(engine: Engine, work: Callable[[Session], T]) -> T:
    with Session(engine, expire_on_commit=False) as session:
        return work(session)


@contextlib.contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        raise Unavailable("The database is not available right now.") from error


class _Budget:
    """What a request may still spend on slow answers, in seconds."""

    def __init__(self, left: float) -> None:
        self.left = left


_BUDGET: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextlib.contextmanager
def budgeted(seconds: float) -> Iterator[None]:
    """All calls within the block share so many seconds: several slow ones are one long wait."""
    token = _BUDGET.set(_Budget(seconds))
    try:
        yield
    finally:
        _BUDGET.reset(token)


@contextlib.contextmanager
def _spent(patience: float | None) -> Iterator[float | None]:
    """How long this call may take. Quick ones cost nothing: a watcher asks for hours."""
    budget = _BUDGET.get()
    if patience is None or budget is None:
        yield patience
        return
    began = time.monotonic()
    yield max(0.0, min(patience, budget.left))
    took = time.monotonic() - began
    budget.left -= took if took > _QUICK_SECONDS else 0


def _look_away(end: asyncio.Future[Any]) -> None:
    """Perhaps nobody waits for this any more: let it go without a complaint in the log."""
    if not end.cancelled():
        end.exception()


def open_database(
    url: str,
    folder: Path,
    pool: int = 8,
    patience: float | None = None,
    meter: Meter | None = None,
) -> Database:
    """Postgres when `url` names it, else SQLite in `folder`."""
    if url:
        return open_postgres(url, pool, patience, meter)
    return open_sqlite(folder / "calotype.sqlite", pool, meter)


def open_postgres(
    url: str, pool: int, patience: float | None = None, meter: Meter | None = None
) -> Database:
    """`pool` connections at most, half of them for writing; a lost one is replaced unnoticed.

    With `patience`, no call takes longer than so many seconds.
    """
    address = url.replace("postgres://", "postgresql://", 1)
    address = address.replace("postgresql://", "postgresql+psycopg://", 1)
    writers = max(1, pool // 2)
    readers = max(1, pool - writers)
    # A statement sees what is committed when it begins, in a transaction or not: reads save its
    # begin and end, two ways there and back of a handful.
    read = _postgres(address, readers, isolation_level="AUTOCOMMIT")
    write = _postgres(address, writers, pool_pre_ping=True)
    if patience is not None:
        from models.impatient import be_impatient  # noqa: PLC0415 the driver, which few load

        be_impatient(write, patience)
        be_impatient(read, patience)
    return Database(write, read, writers=writers, readers=readers, patience=patience, meter=meter)


def _postgres(address: str, connections: int, **more: Any) -> Engine:  # noqa: ANN401 SQLAlchemy's
    return create_engine(
        address,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=10,
        pool_use_lifo=True,  # the connection used last has its statements prepared
        connect_args=_KEEPALIVE,
        hide_parameters=True,  # an error is logged: not with what somebody wrote
        **more,
    )


def open_sqlite(file: Path, readers: int, meter: Meter | None = None) -> Database:
    """One writer, several readers, WAL, and every commit synced to disk."""
    if pysqlite3.dbapi2.sqlite_version_info < OLDEST_SQLITE:
        raise SettingsError(
            f"SQLite {pysqlite3.dbapi2.sqlite_version} can corrupt a database: "
            "reinstall calotype, it brings a newer one."
        )
    write = create_engine(
        f"sqlite:///{file}",
        module=pysqlite3.dbapi2,
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
        hide_parameters=True,
    )
    read = create_engine(
        f"sqlite:///{file}", module=pysqlite3.dbapi2, pool_size=readers, hide_parameters=True
    )
    for engine in (write, read):
        event.listen(engine, "connect", _set_pragmas)
    event.listen(write, "begin", _begin_immediate)
    event.listen(read, "begin", _begin_snapshot)
    return Database(write, read, writers=1, readers=readers, meter=meter)


def _set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 a DB-API connection
    # SQLAlchemy begins transactions; the driver's own late BEGIN loses updates.
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout=10000")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL loses commits in a power cut
    connection.execute("PRAGMA foreign_keys=ON")


def _write_ahead(connection: Any) -> None:  # noqa: ANN401 a DB-API connection
    """Have the file in WAL mode. Two that make a new file so do not wait for each other: we do."""
    deadline = time.monotonic() + _WAL_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except pysqlite3.dbapi2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_immediate(connection: Any) -> None:  # noqa: ANN401 an SQLAlchemy connection
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_snapshot(connection: Any) -> None:  # noqa: ANN401 an SQLAlchemy connection
    connection.exec_driver_sql("BEGIN")
