"""The edge as a whole: what it remembers, what it forgets, and what it does when others fail."""

import asyncio
import gc
import os
import random
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysqlite3 import dbapi2 as sqlite

from cdn_edge.app import Edge
from cdn_edge.cache import Cache
from models.errors import Unavailable
from tests.edge_world import BUCKET, MIB, Shelf, get, make_edge, serve

KEY = "a-1x1.webp"
PATH = f"/{BUCKET}/{KEY}"
Open = Callable[..., tuple[Edge, Cache]]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@asynccontextmanager
async def opened(
    shelf: Shelf, folder: Path | None = None, *, trust: bool = True, **more: float
) -> AsyncIterator[tuple[Edge, Cache]]:
    edge, cache = make_edge(shelf, folder, **more)
    if trust:
        edge.trust()
    yield edge, cache
    await cache.close()


async def test_a_hit_asks_nobody_even_when_everything_is_down(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture")
    async with opened(shelf) as (edge, _):
        await get(edge, PATH)
        shelf.find_error = shelf.fetch_error = ConnectionError("down")
        for _ in range(3):
            answer = await get(edge, PATH)
            assert (answer.status, answer.body) == (200, b"picture")
            assert answer.headers["cache-status"] == "calotype; hit; detail=memory"
        assert (len(shelf.finds), len(shelf.fetches)) == (1, 1)


async def test_many_readers_of_one_cold_key_cost_one_look_up_and_one_fetch(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture")
    shelf.delay = 0.02
    async with opened(shelf) as (edge, _):
        answers = await asyncio.gather(*(get(edge, PATH) for _ in range(200)))
        assert {(answer.status, answer.body) for answer in answers} == {(200, b"picture")}
        assert (len(shelf.finds), len(shelf.fetches)) == (1, 1)
        said = sorted({answer.headers["cache-status"] for answer in answers})
        assert said == ["calotype; fwd=uri-miss", "calotype; fwd=uri-miss; collapsed"]


async def test_a_reader_who_leaves_takes_nobody_with_him(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture")
    shelf.fetch_gate = asyncio.Event()
    async with opened(shelf) as (edge, _):
        readers = [asyncio.create_task(get(edge, PATH)) for _ in range(10)]
        await until(lambda: len(shelf.fetches) == 1)
        for reader in readers[:9]:
            reader.cancel()
        await asyncio.sleep(0)
        shelf.fetch_gate.set()
        assert (await readers[9]).body == b"picture"
        assert len(shelf.fetches) == 1


async def test_when_all_readers_leave_the_bytes_are_kept_for_the_next(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture")
    shelf.fetch_gate = asyncio.Event()
    async with opened(shelf) as (edge, _):
        reader = asyncio.create_task(get(edge, PATH))
        await until(lambda: len(shelf.fetches) == 1)
        reader.cancel()
        shelf.fetch_gate.set()
        assert (await get(edge, PATH)).body == b"picture"
        assert len(shelf.fetches) == 1


async def test_a_failure_is_shared_with_no_later_reader(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture")
    shelf.fetch_error, shelf.delay = ConnectionError("down"), 0.01
    async with opened(shelf) as (edge, _):
        answers = await asyncio.gather(*(get(edge, PATH) for _ in range(5)))
        assert {answer.status for answer in answers} == {503}
        assert len(shelf.fetches) == 1
        shelf.fetch_error = None
        assert (await get(edge, PATH)).status == 200


@pytest.mark.parametrize("broken", [None, "find_error", "fetch_error"])
async def test_an_answer_leaves_no_circles_that_only_a_garbage_collection_would_find(
    shelf: Shelf, broken: str | None
) -> None:
    """A flood of missing keys stopped everybody for 15 to 40 ms whenever 18,000 had gathered."""
    shelf.put(KEY, b"picture")
    if broken:
        setattr(shelf, broken, ConnectionError("x"))
    async with opened(shelf) as (edge, _):

        async def ask(turn: int) -> None:
            missing = [f"{PATH[:-5]}{turn}{number}x1.webp" for number in range(5)]
            await asyncio.gather(*(get(edge, path) for path in (*missing, *missing, PATH)))

        await ask(0)
        gc.collect()
        gc.disable()
        try:
            for turn in range(1, 20):
                await ask(turn)
            assert gc.collect() < 19
        finally:
            gc.enable()


@pytest.mark.parametrize("broken", ["find_error", "fetch_error"])
@pytest.mark.parametrize("error", [ConnectionError("x"), TimeoutError(), ValueError("bug")])
async def test_what_cannot_be_got_now_is_503_and_when_to_come_back(
    shelf: Shelf, broken: str, error: Exception
) -> None:
    shelf.put(KEY, b"picture")
    setattr(shelf, broken, error)
    async with opened(shelf) as (edge, _):
        answer = await get(edge, PATH)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("gate", ["find_gate", "fetch_gate"])
async def test_what_hangs_behind_us_does_not_hang_the_reader(shelf: Shelf, gate: str) -> None:
    shelf.put(KEY, b"picture")
    setattr(shelf, gate, asyncio.Event())
    async with opened(shelf, find_seconds=0.05, fetch_seconds=0.05) as (edge, _):
        assert (await asyncio.wait_for(get(edge, PATH), 1)).status == 503


async def test_a_database_that_keeps_failing_is_left_alone_for_a_moment(shelf: Shelf) -> None:
    shelf.find_error = ConnectionError("down")
    async with opened(shelf) as (edge, _):
        for number in range(20):
            assert (await get(edge, f"/{BUCKET}/{number}-1x1.webp")).status == 503
        assert len(shelf.finds) == 5


async def test_more_misses_than_we_can_do_are_refused_at_once(shelf: Shelf) -> None:
    for number in range(20):
        shelf.put(f"{number}-1x1.webp", b"picture")
    shelf.put(KEY, b"hot")
    async with opened(shelf, misses=4) as (edge, _):
        await get(edge, PATH)
        shelf.fetch_gate = asyncio.Event()
        reads = [asyncio.create_task(get(edge, f"/{BUCKET}/{n}-1x1.webp")) for n in range(20)]
        await until(lambda: sum(read.done() for read in reads) == 16)
        assert {read.result().status for read in reads if read.done()} == {503}
        assert (await get(edge, PATH)).body == b"hot"
        shelf.fetch_gate.set()
        assert {(await read).status for read in reads} == {200, 503}


async def test_a_bug_behind_us_is_a_plain_500(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture")

    async def fetch(_: object) -> object:
        return "not bytes"

    shelf.fetch = fetch
    async with opened(shelf) as (edge, _):
        answer = await get(edge, PATH)
        assert (answer.status, answer.headers["cache-control"]) == (500, "no-store")


# Bytes that are not what they should be


async def test_an_object_that_is_not_its_hash_is_never_served_nor_kept(
    shelf: Shelf, tmp_path: Path
) -> None:
    entry = shelf.put(KEY, b"picture")
    async with opened(shelf, tmp_path) as (edge, _):
        shelf.objects[entry.path] = b"pictur3"
        assert (await get(edge, PATH)).status == 503
        shelf.objects[entry.path] = b"picture"
        assert (await get(edge, PATH)).body == b"picture"


async def test_an_object_that_is_missing_is_an_outage_not_an_absence(shelf: Shelf) -> None:
    entry = shelf.put(KEY, b"picture")
    del shelf.objects[entry.path]
    async with opened(shelf) as (edge, _):
        assert (await get(edge, PATH)).status == 503


async def test_an_object_replaced_between_look_up_and_fetch_is_looked_up_again(
    shelf: Shelf,
) -> None:
    shelf.put(KEY, b"old")
    shelf.find_gate = asyncio.Event()
    async with opened(shelf) as (edge, _):
        reader = asyncio.create_task(get(edge, PATH))
        await until(lambda: len(shelf.finds) == 1)
        new = shelf.put(KEY, b"new")
        shelf.find_gate.set()
        answer = await reader
        assert (answer.body, answer.headers["etag"]) == (b"new", f'"{new.etag}"')


async def test_a_large_body_arrives_whole(shelf: Shelf, tmp_path: Path) -> None:
    body = random.Random(1).randbytes(3 * MIB)
    shelf.put(KEY, body)
    async with opened(shelf, tmp_path, disk=8 * MIB) as (edge, cache):
        assert (await get(edge, PATH)).body == body
        await cache.settle()
        again = await get(edge, PATH)
        assert again.body == body
        assert again.headers["cache-status"] == "calotype; hit; detail=disk", "memory is 1 MiB"


# Absences


async def test_what_is_not_there_is_looked_up_once_in_a_while(shelf: Shelf) -> None:
    async with opened(shelf, absent_seconds=0.1) as (edge, _):
        for _ in range(5):
            assert (await get(edge, PATH)).status == 404
        assert len(shelf.finds) == 1
        await asyncio.sleep(0.11)
        assert (await get(edge, PATH)).status == 404
        assert len(shelf.finds) == 2


async def test_an_upload_is_visible_as_soon_as_it_is_announced(shelf: Shelf) -> None:
    async with opened(shelf) as (edge, _):
        assert (await get(edge, PATH)).status == 404
        shelf.put(KEY, b"picture")
        await edge.forget(BUCKET, KEY)
        assert (await get(edge, PATH)).body == b"picture"


async def test_an_absence_seen_before_an_upload_is_not_remembered_after_it(shelf: Shelf) -> None:
    shelf.find_gate = asyncio.Event()
    async with opened(shelf) as (edge, _):
        early = asyncio.create_task(get(edge, PATH))
        await until(lambda: len(shelf.finds) == 1)
        shelf.put(KEY, b"picture")
        await edge.forget(BUCKET, KEY)
        shelf.find_gate.set()
        assert (await early).status == 404
        assert (await get(edge, PATH)).body == b"picture"


async def test_deleted_is_410_and_unknown_is_404_also_from_memory(shelf: Shelf) -> None:
    shelf.bury(KEY)
    async with opened(shelf) as (edge, _):
        assert [(await get(edge, PATH)).status for _ in range(3)] == [410, 410, 410]
        assert len(shelf.finds) == 1


# Purges


async def test_a_deleted_picture_is_gone_from_memory_and_disk(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(KEY, b"picture")
    async with opened(shelf, tmp_path) as (edge, cache):
        await get(edge, PATH)
        await cache.settle()
        shelf.remove(KEY)
        await edge.forget(BUCKET, KEY)
        assert (await get(edge, PATH)).status == 404
        assert files(tmp_path) == 0


@pytest.mark.parametrize(
    ("purge", "left"),
    [
        (lambda edge: edge.forget(BUCKET, "x/a-1x1.webp"), {"x/b", "y/a", "other"}),
        (lambda edge: edge.forget_prefix(BUCKET, "x/"), {"y/a", "other"}),
        (lambda edge: edge.forget_bucket(BUCKET), {"other"}),
        (lambda edge: edge.forget_everything(), set()),
    ],
)
async def test_a_purge_takes_exactly_what_it_names(
    shelf: Shelf, tmp_path: Path, purge: Callable[[Edge], asyncio.Future[None]], left: set[str]
) -> None:
    places = {"x/a": BUCKET, "x/b": BUCKET, "y/a": BUCKET, "other": BUCKET + "2"}
    paths = {}
    for name, bucket in places.items():
        shelf.put(f"{name}-1x1.webp", name.encode(), bucket=bucket)
        paths[name] = f"/{bucket}/{name}-1x1.webp"
    async with opened(shelf, tmp_path) as (edge, cache):
        for path in paths.values():
            await get(edge, path)
        await cache.settle()
        await purge(edge)
        shelf.fetches.clear()
        said = {name: (await get(edge, path)).headers for name, path in paths.items()}
        assert {name for name, head in said.items() if "hit" in head["cache-status"]} == left
    async with opened(shelf, tmp_path) as (edge, _):
        for path in paths.values():
            assert "hit" in (await get(edge, path)).headers["cache-status"]


@pytest.mark.parametrize("gate", ["find_gate", "fetch_gate"])
@pytest.mark.parametrize("change", ["replace", "delete"])
@pytest.mark.parametrize("others", ["meanwhile", "afterwards"])
async def test_a_fetch_that_began_before_a_purge_leaves_nothing_behind(
    shelf: Shelf, tmp_path: Path, gate: str, change: str, others: str
) -> None:
    shelf.put(KEY, b"old")
    hold = asyncio.Event()
    setattr(shelf, gate, hold)
    async with opened(shelf, tmp_path) as (edge, cache):
        early = asyncio.create_task(get(edge, PATH))
        await until(lambda: len(shelf.finds if gate == "find_gate" else shelf.fetches) == 1)
        if change == "replace":
            shelf.put(KEY, b"new")
        else:
            shelf.remove(KEY)
        await edge.forget(BUCKET, KEY)
        late = [asyncio.create_task(get(edge, PATH))] if others == "meanwhile" else []
        hold.set()
        await early
        await cache.settle()
        for answer in [*(await asyncio.gather(*late)), await get(edge, PATH)]:
            assert (answer.body == b"new") if change == "replace" else (answer.status == 404)
        await cache.settle()
    async with opened(shelf, tmp_path) as (edge, _):
        answer = await get(edge, PATH)
        assert (answer.body == b"new") if change == "replace" else (answer.status == 404)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), memory=st.sampled_from([0, 1, MIB]))
async def test_no_reader_ever_gets_what_was_purged_before_he_asked(seed: int, memory: int) -> None:
    """Two edges share a disk and hear of changes at different times; readers everywhere."""
    chance, shelf = random.Random(seed), Jittery(seed)
    with tempfile.TemporaryDirectory() as home:
        async with (
            opened(shelf, Path(home), memory=memory) as (one, _),
            opened(shelf, Path(home), memory=memory) as (two, _),
        ):
            worlds = [Reader(one, chance), Reader(two, chance)]
            await asyncio.gather(
                change(shelf, worlds, chance),
                *(world.read() for world in worlds for _ in range(4)),
            )


class Jittery(Shelf):
    """A shelf whose every step takes a random while, before and after it looks."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed + 1)
        self.put(KEY, b"0")

    async def _wait(self) -> None:
        await asyncio.sleep(self._chance.choice([0, 0, 0.001, 0.004]))

    async def find(self, bucket: str, key: str) -> object:
        await self._wait()
        entry = self.entries.get((bucket, key))
        await self._wait()
        return entry

    async def fetch(self, entry: object) -> object:
        await self._wait()
        body = self.objects[entry.path]
        await self._wait()
        return body


class Reader:
    def __init__(self, edge: Edge, chance: random.Random) -> None:
        self.edge, self.heard, self.done = edge, 0, False
        self._chance = chance

    async def hear(self, version: int) -> None:
        await asyncio.sleep(self._chance.choice([0, 0.002, 0.006]))
        await self.edge.forget(BUCKET, KEY)
        self.heard = max(self.heard, version)

    async def read(self) -> None:
        while not self.done:
            heard = self.heard
            answer = await get(self.edge, PATH)
            if answer.status == 200:  # 503 is allowed: replaced twice during one fetch
                assert int(answer.body) >= heard
            await asyncio.sleep(self._chance.choice([0, 0.001]))


async def change(shelf: Shelf, worlds: list[Reader], chance: random.Random) -> None:
    for version in range(1, 15):
        shelf.put(KEY, str(version).encode())
        await asyncio.gather(*(world.hear(version) for world in worlds))
        await asyncio.sleep(chance.choice([0, 0.003]))
    for world in worlds:
        world.done = True
        assert (await get(world.edge, PATH)).body == b"14"


async def test_a_copy_read_back_while_the_disk_is_being_purged_does_not_stay(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(KEY, b"old")
    async with opened(shelf, tmp_path) as (edge, _):
        await get(edge, PATH)
    shelf.put(KEY, b"new")
    async with opened(shelf, tmp_path) as (edge, _):
        with busy_index(tmp_path):
            purge = asyncio.create_task(edge.forget(BUCKET, KEY))
            await asyncio.sleep(0.02)
            assert (await get(edge, PATH)).body == b"old", "the purge is not done yet"
        await purge
        assert (await get(edge, PATH)).body == b"new"


async def test_a_slow_read_of_the_disk_that_outlives_a_purge_is_not_kept(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(KEY, b"old")
    async with opened(shelf, tmp_path) as (edge, _):
        await get(edge, PATH)
    shelf.put(KEY, b"new")
    async with opened(shelf, tmp_path) as (edge, _):
        pipe = make_slow(tmp_path)
        with busy_index(tmp_path):
            purge = asyncio.create_task(edge.forget(BUCKET, KEY))
            await asyncio.sleep(0.02)
            reader = asyncio.create_task(get(edge, PATH))
            slow = await other_end(pipe)
        await purge
        os.write(slow, b"old")
        os.close(slow)
        assert (await reader).body == b"old"
        assert (await get(edge, PATH)).body == b"new"


async def test_a_purge_empties_memory_even_when_the_disk_fails(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(KEY, b"old")
    async with opened(shelf, tmp_path) as (edge, cache):
        await get(edge, PATH)
        assert (await get(edge, f"/{BUCKET}/b-1x1.webp")).status == 404
        for key in (KEY, "b-1x1.webp"):
            shelf.put(key, b"new")
            close_index(cache)
            with pytest.raises(Unavailable):
                await edge.forget(BUCKET, key)
            assert (await get(edge, f"/{BUCKET}/{key}")).body == b"new"


# Trust


async def test_an_edge_that_has_not_caught_up_confirms_before_it_serves(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(KEY, b"picture")
    async with opened(shelf, tmp_path) as (edge, cache):
        await get(edge, PATH)
        await cache.settle()
    shelf.put(KEY, b"replaced while it was away")
    async with opened(shelf, tmp_path, trust=False) as (edge, _):
        assert (await get(edge, PATH)).body == b"replaced while it was away"


async def test_a_copy_on_disk_survives_a_restart_and_is_not_fetched_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(KEY, b"picture")
    async with opened(shelf, tmp_path) as (edge, _):
        await get(edge, PATH)
    for trust, said in ((False, "confirmed"), (True, "disk")):
        async with opened(shelf, tmp_path, trust=trust) as (edge, _):
            answer = await get(edge, PATH)
            assert answer.body == b"picture"
            assert answer.headers["cache-status"] == f"calotype; hit; detail={said}"
    assert len(shelf.fetches) == 1


async def test_while_distrusting_nothing_deleted_is_served(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(KEY, b"picture")
    async with opened(shelf, tmp_path, confirmed_seconds=0.05) as (edge, cache):
        await get(edge, PATH)
        await cache.settle()
        edge.distrust()
        shelf.remove(KEY)
        await asyncio.sleep(0.06)
        assert (await get(edge, PATH)).status == 404
        shelf.put(KEY, b"picture")
        assert (await get(edge, PATH)).status == 200, "an absence is not trusted either"


async def test_while_distrusting_a_confirmation_is_good_for_a_moment(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture")
    async with opened(shelf, trust=False, confirmed_seconds=0.2) as (edge, _):
        for _ in range(50):
            assert (await get(edge, PATH)).status == 200
        assert len(shelf.finds) == 1
        await asyncio.sleep(0.21)
        answers = await asyncio.gather(*(get(edge, PATH) for _ in range(50)))
        assert {answer.body for answer in answers} == {b"picture"}
        assert (len(shelf.finds), len(shelf.fetches)) == (2, 1)


async def test_when_nobody_can_confirm_a_copy_it_is_served_but_not_for_long(shelf: Shelf) -> None:
    shelf.put(KEY, b"picture", immutable=True)
    async with opened(shelf, confirmed_seconds=0) as (edge, _):
        await get(edge, PATH)
        edge.distrust()
        shelf.find_error = ConnectionError("down")
        answer = await get(edge, PATH)
        assert (answer.status, answer.body) == (200, b"picture")
        assert answer.headers["cache-status"] == "calotype; hit; detail=unconfirmed"
        assert answer.headers["cache-control"] == "public, max-age=60"
        shelf.find_error = None
        edge.trust()
        answer = await get(edge, PATH)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_purge_counts_while_distrusting_too(shelf: Shelf) -> None:
    shelf.put(KEY, b"old")
    async with opened(shelf, trust=False, confirmed_seconds=60) as (edge, _):
        await get(edge, PATH)
        shelf.put(KEY, b"new")
        await edge.forget(BUCKET, KEY)
        assert (await get(edge, PATH)).body == b"new"


# The disk failing


async def test_a_damaged_copy_is_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(KEY, b"picture" * 100)
    async with opened(shelf, tmp_path) as (edge, _):
        await get(edge, PATH)
    spoil(tmp_path)
    async with opened(shelf, tmp_path) as (edge, cache):
        assert (await get(edge, PATH)).body == b"picture" * 100
        assert len(shelf.fetches) == 2
        await cache.settle()
        assert files(tmp_path) == 1


async def test_a_disk_that_fails_costs_speed_and_nothing_else(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(KEY, b"picture")
    async with opened(shelf, tmp_path) as (edge, cache):
        close_index(cache)
        assert (await get(edge, PATH)).body == b"picture"
        assert (await get(edge, PATH)).headers["cache-status"] == "calotype; hit; detail=memory"


async def test_a_disk_that_others_keep_busy_holds_up_no_reader(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(KEY, b"picture")
    shelf.put("b-1x1.webp", b"other")
    async with opened(shelf, tmp_path) as (edge, _):
        await get(edge, PATH)
    async with opened(shelf, tmp_path) as (edge, cache):
        with busy_index(tmp_path):
            async with asyncio.timeout(1):
                assert (await get(edge, f"/{BUCKET}/b-1x1.webp")).body == b"other"
                assert "detail=disk" in (await get(edge, PATH)).headers["cache-status"]
        await cache.settle()


async def test_the_bookmark_is_kept_with_the_copies(shelf: Shelf, tmp_path: Path) -> None:
    async with opened(shelf, tmp_path) as (edge, _):
        assert await edge.bookmark() == ""
        await edge.set_bookmark("seventeen")
    async with opened(shelf, tmp_path) as (edge, _):
        assert await edge.bookmark() == "seventeen"
    async with opened(shelf) as (edge, _):
        await edge.set_bookmark("seventeen")
        assert await edge.bookmark() == "", "an empty memory has nothing to catch up with"


# Over a real server


def test_a_reader_who_hangs_up_harms_nobody() -> None:
    with serve() as served:
        served.shelf.put(KEY, b"picture")
        served.shelf.delay = 0.1
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", served.port)) as link:
                link.sendall(f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert served.ask(PATH).body == b"picture"
        assert len(served.shelf.fetches) == 1


def test_connections_on_which_nothing_arrives_are_closed() -> None:
    beginnings = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHo",
        f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    ]
    with serve(patience=0.5) as served:
        served.shelf.put(KEY, b"picture")
        links = [socket.create_connection(("127.0.0.1", served.port), 5) for _ in range(40)]
        for number, link in enumerate(links):
            link.sendall(beginnings[number % len(beginnings)])
        assert served.ask(PATH).body == b"picture"
        for link in links:
            assert b"".join(iter(lambda link=link: link.recv(65536), b"")) is not None  # closed
            link.close()


def test_a_purge_through_the_loop_reaches_readers_of_the_server(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        served.shelf.put(KEY, b"old")
        assert served.ask(PATH).body == b"old"
        served.shelf.put(KEY, b"new")
        assert served.ask(PATH).body == b"old"
        served.run(served.edge.forget(BUCKET, KEY))
        assert served.ask(PATH).body == b"new"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # the condition is about others' counters
            await asyncio.sleep(0.001)


@contextmanager
def busy_index(folder: Path) -> Iterator[None]:
    """Another process writes to the index and takes its time."""
    with closing(sqlite.connect(folder / "index.db", isolation_level=None)) as index:
        index.execute("BEGIN IMMEDIATE")
        yield
        index.execute("ROLLBACK")


def make_slow(folder: Path) -> Path:
    """The one copy on disk becomes a pipe: its reader waits until somebody writes."""
    (file,) = folder.glob("*/*")
    file.unlink()
    os.mkfifo(file)
    return file


async def other_end(pipe: Path) -> int:
    """The end to write to, as soon as somebody reads."""
    async with asyncio.timeout(5):
        while True:
            with suppress(OSError):
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            await asyncio.sleep(0.001)


def close_index(cache: Cache) -> None:
    """A disk on which nothing works any more."""
    assert cache._disk  # noqa: SLF001
    cache._disk.close()  # noqa: SLF001


def spoil(folder: Path) -> None:
    (file,) = folder.glob("*/*")
    file.write_bytes(file.read_bytes()[:-1] + b"!")


def files(folder: Path) -> int:
    return len(list(folder.glob("*/*")))
