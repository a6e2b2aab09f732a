"""Copies on disk, bounded by bytes, shared by several processes, kept over restarts.

A file holds one body and is named by a hash; what it is stands in an SQLite index beside it. The
row is the authority: it is committed after its file is in place, and a body is hashed whenever it
is read back, so that a torn, truncated or foreign file is a miss and never an answer. Nothing
here is worth an fsync: what a power cut takes is fetched again. Open the index with this SQLite
only: POSIX locks do not hold between two SQLite libraries in one process.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from pysqlite3 import dbapi2 as sqlite

from cdn_edge.entry import Entry

_SCHEMA = """
CREATE TABLE IF NOT EXISTS copies (
    path TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    used INTEGER NOT NULL, entry BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS copies_by_use ON copies (used);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS copy_in AFTER INSERT ON copies
    BEGIN UPDATE total SET bytes = bytes + new.size; END;
CREATE TRIGGER IF NOT EXISTS copy_out AFTER DELETE ON copies
    BEGIN UPDATE total SET bytes = bytes - old.size; END;
CREATE TABLE IF NOT EXISTS purges (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, below INTEGER NOT NULL,
    at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS bookmarks (mark TEXT NOT NULL);
"""
_MOST_USES = 10_000
"""Reads remembered until the next write; beyond that, who was used last is known less well."""
_LITTER_AGE = 600
"""Seconds after which a file without a row, or a temporary one, is nobody's work any more."""
_PURGE_AGE = 3600
"""Seconds a purge is remembered against fetches that began before it; they take far less."""
_LAST = "\U0010ffff"


class Kept(NamedTuple):
    """A copy to be kept, and the ticket that was taken before it was looked up."""

    path: str
    entry: Entry
    body: bytes
    ticket: int


class Disk:
    """A folder of copies. Every method blocks: call it in a thread. Safe between processes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        # Two connections: a reader never waits for a writer, here or in another process.
        self._index, self._lock = _open_index(folder), threading.Lock()
        self._reader, self._reading = _open_index(folder), threading.Lock()
        self._used: dict[str, int] = {}
        self.limit = limit
        self.evicted = 0
        """Copies that made room so far, in this process."""
        self._closing = False

    def get(self, path: str) -> tuple[Entry, bytes] | None:
        """The copy kept under this path, checked against its hash; a bad one is dropped."""
        row = self._ask("SELECT name, entry FROM copies WHERE path = ?", path)
        if row is None:
            return None
        name, packed = row
        copy = _read_checked(self._file(name), packed)
        if copy is None:
            self._drop_bad(path, name)
        elif len(self._used) < _MOST_USES:
            self._used[path] = int(time.time())
        return copy

    def has(self, path: str) -> bool:
        """Whether there is a copy. A look at the index only: sooner done than a thread is asked."""
        return self._ask("SELECT 1 FROM copies WHERE path = ?", path) is not None

    def ticket(self) -> int:
        """Take one before looking a key up: `put` refuses what was purged since."""
        row = self._ask("SELECT seq FROM sqlite_sequence WHERE name = 'purges'")
        return row[0] if row else 0

    def put(self, kept: Kept) -> bool:
        """Keep this copy unless its path was purged since the ticket; whether it was kept."""
        return self.put_all([kept]) == 1

    def put_all(self, copies: Collection[Kept]) -> int:
        """The same for several, for little more than the price of one; how many were kept."""
        count, unneeded = 0, set[str]()
        with contextlib.ExitStack() as stack:
            fitting = [one for one in copies if len(one.body) <= self.limit]
            files = [stack.enter_context(self._temporary(one.body)) for one in fitting]
            with self._transaction():
                self._note_uses()
                for one, file in zip(fitting, files, strict=True):
                    if not self._purged_since(one.ticket, one.path):
                        unneeded = self._place(one, file, unneeded)
                        count += 1
        self._unlink(unneeded)
        return count

    def _place(self, kept: Kept, file: Path, unneeded: set[str]) -> set[str]:
        """Write the row and put the file in its place; the names of files without a row."""
        name = _name(kept.path, kept.entry.etag)
        without = unneeded | self._make_room(kept.path, len(kept.body))
        row = (kept.path, name, len(kept.body), int(time.time()), msgspec.json.encode(kept.entry))
        self._index.execute("INSERT INTO copies VALUES (?, ?, ?, ?, ?)", row)
        self._file(name).parent.mkdir(exist_ok=True)
        file.replace(self._file(name))
        return without - {name}

    def forget(self, path: str) -> None:
        """Remove this path's copy, and refuse fetches of it that are under way anywhere.

        With it goes every `path?...` that was derived from it.
        """
        condition = "path = ? OR path >= ? AND path < ?"
        self._purge(path, condition, (path, f"{path}?", f"{path}?{_LAST}"), below=False)

    def forget_prefix(self, prefix: str) -> None:
        """The same for every path that starts so."""
        self._purge(prefix, "path >= ? AND path < ?", (prefix, prefix + _LAST), below=True)

    def bookmark(self) -> str:
        """The mark of the last event whose purge is done here; '' in a new folder."""
        row = self._ask("SELECT mark FROM bookmarks")
        return row[0] if row else ""

    def set_bookmark(self, mark: str) -> None:
        """Remember that every purge up to this mark is done here.

        It lies with the purges: a power cut that takes one of them takes the mark after it too.
        """
        with self._transaction():
            self._index.execute("DELETE FROM bookmarks")
            self._index.execute("INSERT INTO bookmarks VALUES (?)", (mark,))

    def weight(self) -> int:
        """Bytes of all bodies kept."""
        (weight,) = self._ask("SELECT bytes FROM total")
        return int(weight)

    def sweep(self) -> int:
        """Remove files that nobody will ask for: what a killed process left. How many."""
        removed = 0
        for path in self._folder.glob("*/*"):
            if self._closing:
                break
            if _age(path) > _LITTER_AGE and not self._is_kept(path.name):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def stop(self) -> None:
        """Let a sweep that is under way end early."""
        self._closing = True

    def close(self) -> None:
        """Note what was used lately, and let go of the index. Nothing may be under way."""
        with contextlib.suppress(sqlite.Error), self._transaction():
            self._note_uses()
        with self._lock, self._reading:
            self._index.close()
            self._reader.close()

    def _is_kept(self, name: str) -> bool:
        return self._ask("SELECT 1 FROM copies WHERE name = ?", name) is not None

    def _file(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _ask(self, query: str, *values: str) -> Any:  # noqa: ANN401  # a row
        with self._reading:
            return self._reader.execute(query, values).fetchone()

    def _note_uses(self) -> None:
        """Reads are noted here and not when they happen: a hit on disk writes nothing."""
        used, self._used = self._used, {}
        self._index.executemany(
            "UPDATE copies SET used = max(used, ?) WHERE path = ?",
            [(when, path) for path, when in used.items()],
        )

    def _drop_bad(self, path: str, name: str) -> None:
        with self._transaction():
            self._index.execute("DELETE FROM copies WHERE path = ? AND name = ?", (path, name))
        self._unlink({name})

    def _purged_since(self, ticket: int, path: str) -> bool:
        query = (
            "SELECT 1 FROM purges WHERE id > ? AND "
            "(path IN (?, ?) OR below AND substr(?, 1, length(path)) = path)"
        )
        origin = path.partition("?")[0]
        return self._index.execute(query, (ticket, path, origin, path)).fetchone() is not None

    def _make_room(self, path: str, size: int) -> set[str]:
        """Delete this path's old row and the least used ones; the names of their files."""
        unneeded = self._delete("path = ?", (path,))
        total = self._index.execute("SELECT bytes FROM total").fetchone()[0]
        oldest = self._index.execute("SELECT path, size FROM copies ORDER BY used")
        doomed = []
        for other, weight in oldest:
            if total + size <= self.limit:
                break
            doomed.append(other)
            total -= weight
        oldest.close()
        self.evicted += len(doomed)
        return unneeded.union(*(self._delete("path = ?", (other,)) for other in doomed))

    def _delete(self, condition: str, values: tuple[str, ...]) -> set[str]:
        query = f"DELETE FROM copies WHERE {condition} RETURNING name"  # noqa: S608  # our own texts
        return {name for (name,) in self._index.execute(query, values).fetchall()}

    def _purge(self, path: str, condition: str, values: tuple[str, ...], *, below: bool) -> None:
        now = int(time.time())
        with self._transaction():
            names = self._delete(condition, values)
            self._index.execute("DELETE FROM purges WHERE at < ?", (now - _PURGE_AGE,))
            self._index.execute(
                "INSERT INTO purges (path, below, at) VALUES (?, ?, ?)", (path, below, now)
            )
        self._unlink(names)

    def _unlink(self, names: set[str]) -> None:
        for name in names:
            self._file(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._index.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._index.execute("ROLLBACK")
                raise
            self._index.execute("COMMIT")

    @contextlib.contextmanager
    def _temporary(self, body: bytes) -> Iterator[Path]:
        handle, name = tempfile.mkstemp(dir=self._folder / "new")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


def open_disk(folder: Path, limit: int) -> Disk:
    """The copies of at most `limit` bytes in this folder; a broken index is begun anew."""
    (folder / "new").mkdir(parents=True, exist_ok=True)
    try:
        return Disk(folder, limit)
    except sqlite.OperationalError:
        raise  # busy or not writable: not a reason to throw copies away
    except sqlite.DatabaseError:
        shutil.rmtree(folder)
        (folder / "new").mkdir(parents=True)
        return Disk(folder, limit)


def _open_index(folder: Path) -> Any:  # noqa: ANN401  # untyped library
    index = sqlite.connect(
        folder / "index.db", timeout=5, isolation_level=None, check_same_thread=False
    )
    index.execute("PRAGMA journal_mode = WAL")
    index.execute("PRAGMA synchronous = NORMAL")
    index.executescript(_SCHEMA)
    return index


def _name(path: str, etag: str) -> str:
    """A replaced object gets another file: a reader never sees a new body under an old row."""
    return hashlib.sha256(f"{path}\n{etag}".encode()).hexdigest()


def _read_checked(file: Path, packed: bytes) -> tuple[Entry, bytes] | None:
    """None when the file is not there, is not what it was, or an older version described it."""
    try:
        entry, body = msgspec.json.decode(packed, type=Entry), file.read_bytes()
    except (OSError, msgspec.MsgspecError):
        return None
    return (entry, body) if hashlib.sha256(body).hexdigest() == entry.etag else None


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
