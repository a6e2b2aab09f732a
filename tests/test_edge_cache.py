"""The caches never hold more than they may, and never give back what was not put in."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pysqlite3 import dbapi2 as sqlite

from cdn_edge.absences import Absences
from cdn_edge.disk import Disk, Kept, open_disk
from cdn_edge.memory import Memory
from tests.edge_world import entry_of

KEYS = st.sampled_from([f"/{bucket}/{key}" for bucket in ("b1", "b10", "b2") for key in "abcde"])
PREFIXES = st.sampled_from(["/", "/b1/", "/b10/", "/b2/", "/b1/a", "/b3/"])


class MemoryModel(RuleBasedStateMachine):
    """Memory against a plain dict: it may forget, but it may not invent, mix up or overflow."""

    @initialize(limit=st.integers(1, 300))
    def begin(self, limit: int) -> None:
        self.memory: Memory[object] = Memory(limit)
        self.truth: dict[str, tuple[object, int]] = {}

    @rule(key=KEYS, weight=st.integers(0, 120))
    def put(self, key: str, weight: int) -> None:
        value = object()
        self.memory.put(key, value, weight)
        self.truth[key] = (value, weight)
        assert self.memory.get(key) is (value if weight <= self.memory.limit else None)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        found = self.memory.get(key)
        assert found is None or found is self.truth[key][0]

    @rule(key=KEYS)
    def drop(self, key: str) -> None:
        self.memory.drop(key)
        self.truth.pop(key, None)
        assert self.memory.get(key) is None

    @rule(prefix=PREFIXES)
    def drop_prefix(self, prefix: str) -> None:
        self.memory.drop_prefix(prefix)
        self.truth = {k: v for k, v in self.truth.items() if not k.startswith(prefix)}

    @invariant()
    def weighs_what_it_holds_and_no_more_than_it_may(self) -> None:
        if not hasattr(self, "memory"):
            return
        held = [key for key in self.truth if self.memory.get(key) is not None]
        assert len(self.memory) == len(held)
        assert self.memory.weight == sum(self.truth[key][1] for key in held)
        assert self.memory.weight <= self.memory.limit


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_what_is_asked_for_often_survives_a_scan_over_ten_times_the_memory() -> None:
    memory: Memory[int] = Memory(1000)
    hot = [f"hot-{number}" for number in range(50)]
    for _ in range(3):
        for key in hot:
            if memory.get(key) is None:
                memory.put(key, 1, 10)
    for number in range(1000):
        memory.put(f"cold-{number}", 1, 10)
    assert sum(memory.get(key) is not None for key in hot) == len(hot)


def test_what_was_let_go_a_moment_ago_and_comes_back_is_taken_for_hot() -> None:
    memory: Memory[int] = Memory(100)
    for number in range(20):
        memory.put(f"early-{number}", 1, 10)
    memory.put("early-9", 1, 10)  # its ghost is still known
    for number in range(50):
        memory.put(f"cold-{number}", 1, 10)
    assert memory.get("early-9") == 1


def test_a_new_value_keeps_the_standing_of_its_key() -> None:
    memory: Memory[int] = Memory(1000)
    for turn in range(2):
        memory.put("hot", turn, 10)
        memory.get("hot")
    for number in range(200):
        memory.put(f"cold-{number}", 1, 10)
    assert memory.get("hot") == 1
    memory.put("hot", 2, 10)
    for number in range(200):
        memory.put(f"colder-{number}", 1, 10)
    assert memory.get("hot") == 2


def test_a_put_is_quick_even_when_everything_is_hot() -> None:
    memory: Memory[int] = Memory(50_000)
    for number in range(50_000):
        memory.put(str(number), 1, 1)
        for _ in range(3):
            memory.get(str(number))
    spent = []
    for number in range(20):
        began = time.thread_time()
        memory.put(f"next-{number}", 1, 1)
        spent.append(time.thread_time() - began)
    assert max(spent) < 0.005


def test_absences_fade_and_are_bounded() -> None:
    now = [0.0]
    absences = Absences(lambda: now[0], most=100)
    for number in range(1000):
        absences.put(f"/b1/{number}", 404, 5)
    assert len(absences) == 100
    assert absences.get("/b1/999") == 404
    assert absences.get("/b1/1") is None
    now[0] = 5.0
    assert absences.get("/b1/999") is None


def test_an_absence_is_dropped_by_name_and_by_prefix() -> None:
    absences = Absences(lambda: 0.0)
    for path in ("/b1/a", "/b1/b", "/b10/a"):
        absences.put(path, 404, 5)
    absences.drop("/b1/a")
    assert absences.get("/b1/a") is None
    absences.drop_prefix("/b1/")
    assert absences.get("/b1/b") is None
    assert absences.get("/b10/a") == 404


class DiskModel(RuleBasedStateMachine):
    """Disk against a dict, with restarts, damage, and fetches that began before a purge."""

    LIMIT = 3000

    @initialize()
    def begin(self) -> None:
        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name) / "cache"
        self.disk = open_disk(self.folder, self.LIMIT)
        self.truth: dict[str, bytes] = {}
        self.tickets: list[tuple[int, set[str]]] = []

    def teardown(self) -> None:
        if hasattr(self, "disk"):
            self.disk.close()
            self.home.cleanup()

    @rule(key=KEYS, seed=st.integers(0, 255), size=st.integers(0, 1500))
    def put(self, key: str, seed: int, size: int) -> None:
        body = bytes([seed]) * size
        assert self.disk.put(Kept(key, entry_of(body), body, self.disk.ticket()))
        self.truth[key] = body
        assert self.disk.get(key) == (entry_of(body), body)

    @rule(wanted=st.lists(st.tuples(KEYS, st.integers(0, 255), st.integers(0, 1500)), max_size=6))
    def put_several(self, wanted: list[tuple[str, int, int]]) -> None:
        ticket = self.disk.ticket()
        bodies = [(key, bytes([seed]) * size) for key, seed, size in wanted]
        copies = [Kept(key, entry_of(body), body, ticket) for key, body in bodies]
        assert self.disk.put_all(copies) == len(copies)
        self.truth.update(bodies)
        if bodies:  # the last one made room for itself
            assert self.disk.get(bodies[-1][0]) == (entry_of(bodies[-1][1]), bodies[-1][1])

    @precondition(lambda self: getattr(self, "tickets", None))
    @rule(keys=st.lists(KEYS, max_size=4), data=st.data())
    def late_put_several(self, keys: list[str], data: st.DataObject) -> None:
        ticket, purged = data.draw(st.sampled_from(self.tickets))
        late = [key for key in keys if not any(_covers(pattern, key) for pattern in purged)]
        copies = [Kept(key, entry_of(b"late"), b"late", ticket) for key in keys]
        assert self.disk.put_all(copies) == len(late)
        self.truth.update(dict.fromkeys(late, b"late"))

    @rule(key=KEYS)
    def too_large(self, key: str) -> None:
        body = bytes(self.LIMIT + 1)
        assert not self.disk.put(Kept(key, entry_of(body), body, self.disk.ticket()))

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        found = self.disk.get(key)
        assert found is None or found == (entry_of(self.truth[key]), self.truth[key])

    @rule()
    def look_up(self) -> None:
        self.tickets.append((self.disk.ticket(), set()))

    @precondition(lambda self: getattr(self, "tickets", None))
    @rule(key=KEYS, data=st.data())
    def late_put(self, key: str, data: st.DataObject) -> None:
        ticket, purged = data.draw(st.sampled_from(self.tickets))
        kept = self.disk.put(Kept(key, entry_of(b"late"), b"late", ticket))
        assert kept is not any(_covers(pattern, key) for pattern in purged)
        if kept:
            self.truth[key] = b"late"

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.disk.forget(key)
        self.truth.pop(key, None)
        self._note("=" + key)
        assert self.disk.get(key) is None

    @rule(prefix=PREFIXES)
    def forget_prefix(self, prefix: str) -> None:
        self.disk.forget_prefix(prefix)
        self.truth = {k: v for k, v in self.truth.items() if not k.startswith(prefix)}
        self._note(prefix)

    @rule()
    def restart(self) -> None:
        self.disk.close()
        self.disk = open_disk(self.folder, self.LIMIT)

    @rule(data=st.data(), damage=st.sampled_from(["cut", "flip", "remove", "grow", "empty"]))
    def damage(self, data: st.DataObject, damage: str) -> None:
        files = sorted(self._files())
        if files:
            _damage(data.draw(st.sampled_from(files)), damage)

    @invariant()
    def holds_no_more_than_it_may(self) -> None:
        if hasattr(self, "disk"):
            assert self.disk.weight() <= self.LIMIT
            kept = [found for key in self.truth if (found := self.disk.get(key))]
            assert self.disk.weight() == sum(len(body) for _, body in kept)
            assert len(self._files()) == len(kept)

    def _files(self) -> list[Path]:
        return list(self.folder.glob("*/*"))

    def _note(self, pattern: str) -> None:
        for _, purged in self.tickets:
            purged.add(pattern)


def _covers(pattern: str, key: str) -> bool:
    return key == pattern[1:] if pattern.startswith("=") else key.startswith(pattern)


def _damage(file: Path, damage: str) -> None:
    body = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(body[: len(body) // 2])
        case "flip" if body:
            file.write_bytes(bytes([body[0] ^ 1]) + body[1:])
        case "grow":
            file.write_bytes(body + b"x")
        case "empty":
            file.write_bytes(b"")
        case "remove":
            file.unlink()


TestDiskModel = DiskModel.TestCase
TestDiskModel.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def disk(folder: Path) -> Iterator[Disk]:
    disk = open_disk(folder, 100_000)
    yield disk
    disk.close()


def keep(disk: Disk, path: str, body: bytes) -> bool:
    return disk.put(Kept(path, entry_of(body), body, disk.ticket()))


@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "grow", "empty"])
def test_a_damaged_file_is_never_served_and_leaves_nothing_behind(
    disk: Disk, folder: Path, damage: str
) -> None:
    keep(disk, "/b/a", b"picture" * 100)
    (file,) = folder.glob("*/*")
    _damage(file, damage)
    assert disk.get("/b/a") is None
    assert (disk.weight(), list(folder.glob("*/*"))) == (0, [])


def test_the_least_recently_used_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    disk = open_disk(folder, 1000)
    for key in "abcde":
        keep(disk, f"/b/{key}", bytes(200))
        clock[0] += 100
    assert disk.get("/b/a")
    keep(disk, "/b/f", bytes(200))
    assert [key for key in "abcdef" if disk.get(f"/b/{key}")] == list("acdef")
    disk.close()


def test_names_on_disk_say_nothing_of_the_key(disk: Disk, folder: Path) -> None:
    keep(disk, "/bucket12/../../etc/passwd", b"x")
    (file,) = folder.glob("*/*")
    assert len(file.name) == 64
    assert set(file.name) <= set("0123456789abcdef")


def test_a_purge_by_one_process_stops_a_late_write_by_another(disk: Disk, folder: Path) -> None:
    other = open_disk(folder, 100_000)
    ticket = other.ticket()
    disk.forget("/b/a")
    assert not other.put(Kept("/b/a", entry_of(b"old"), b"old", ticket))
    assert other.put(Kept("/b/b", entry_of(b"b"), b"b", ticket)), "only what was purged is refused"
    assert other.put(Kept("/b/a", entry_of(b"new"), b"new", other.ticket()))
    assert disk.get("/b/a") == (entry_of(b"new"), b"new")
    other.close()


def test_a_replaced_body_never_appears_under_its_old_description(disk: Disk, folder: Path) -> None:
    keep(disk, "/b/a", b"old" * 10)
    keep(disk, "/b/a", b"new" * 10)
    assert disk.get("/b/a") == (entry_of(b"new" * 10), b"new" * 10)
    assert len(list(folder.glob("*/*"))) == 1


def test_the_bookmark_survives_a_restart(disk: Disk, folder: Path) -> None:
    assert disk.bookmark() == ""
    disk.set_bookmark("41")
    disk.set_bookmark("42")
    again = open_disk(folder, 100_000)
    assert again.bookmark() == "42"
    again.close()


@pytest.mark.parametrize("junk", [b"", b"junk" * 5000, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_broken_index_is_begun_anew(folder: Path, junk: bytes) -> None:
    disk = open_disk(folder, 1000)
    keep(disk, "/b/a", b"x")
    disk.close()
    for file in folder.glob("index.db*"):
        file.unlink()
    (folder / "index.db").write_bytes(junk)
    disk = open_disk(folder, 1000)
    assert disk.get("/b/a") is None
    assert keep(disk, "/b/a", b"y")
    assert disk.get("/b/a") == (entry_of(b"y"), b"y")
    disk.close()


def test_an_entry_that_another_version_wrote_is_a_miss(disk: Disk, folder: Path) -> None:
    keep(disk, "/b/a", b"x")
    with closing(sqlite.connect(folder / "index.db", isolation_level=None)) as index:
        index.execute("UPDATE copies SET entry = ?", (b'{"color":"red"}',))
    assert disk.get("/b/a") is None
    assert keep(disk, "/b/a", b"x")


def test_a_sweep_takes_old_litter_and_nothing_else(disk: Disk, folder: Path) -> None:
    keep(disk, "/b/a", b"x" * 10)
    (kept,) = folder.glob("*/*")
    litter = [folder / "ab" / ("ab" * 32), folder / "new" / "tmpabc"]
    for file in [*litter, folder / "new" / "young"]:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"litter")
    for file in [*litter, kept]:
        os.utime(file, (1_000_000_000, 1_000_000_000))
    assert disk.sweep() == 2
    assert sorted(folder.glob("*/*")) == sorted([kept, folder / "new" / "young"])


_WRITER = """
import hashlib, random, sys
from pathlib import Path
from cdn_edge.disk import Kept, open_disk
from tests.edge_world import entry_of
disk, chance = open_disk(Path(sys.argv[1]), 200_000), random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    path = f"/b/{chance.randrange(40)}"
    match chance.randrange(10):
        case 0: disk.forget(path)
        case 1: disk.forget_prefix("/b/1")
        case 2 | 3 | 4:
            body = chance.randbytes(chance.randrange(20_000))
            disk.put(Kept(path, entry_of(body), body, disk.ticket()))
        case _:
            found = disk.get(path)
            assert found is None or found == (entry_of(found[1]), found[1])
"""


def test_processes_that_share_a_folder_may_be_killed_at_any_moment(folder: Path) -> None:
    for turn in range(4):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(folder), str(turn * 10 + number)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for number in range(3)
        ]
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == b"ready\n", writer.stderr
        time.sleep(0.5)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            _, errors = writer.communicate()
            assert (writer.returncode, errors) == (-signal.SIGKILL, b""), errors.decode()
    _prove_sound(folder)


def _prove_sound(folder: Path) -> None:
    disk = open_disk(folder, 200_000)
    assert disk.weight() <= 200_000
    kept = [found for number in range(40) if (found := disk.get(f"/b/{number}"))]
    assert disk.weight() == sum(len(body) for _, body in kept)
    for file in folder.glob("*/*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    disk.sweep()
    assert len(list(folder.glob("*/*"))) == len(kept)
    disk.close()


def test_many_threads_may_use_one_disk(disk: Disk) -> None:
    failures: list[BaseException] = []

    def use(number: int) -> None:
        try:
            for turn in range(60):
                body = f"{number}-{turn}".encode() * 50
                keep(disk, f"/b/{turn % 7}", body)
                found = disk.get(f"/b/{(turn + number) % 7}")
                assert found is None or found[0] == entry_of(found[1])
        except BaseException as failure:  # noqa: BLE001  # reported by the test itself
            failures.append(failure)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=30))
def test_the_disk_is_full_at_most(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as home:
        disk = open_disk(Path(home), 1000)
        for number, size in enumerate(sizes):
            assert keep(disk, f"/b/{number}", bytes(size))
            assert disk.get(f"/b/{number}")
            assert sum(file.stat().st_size for file in Path(home).glob("*/*")) <= 1000
        disk.close()
