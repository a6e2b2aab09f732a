"""One contract for every store: what is put is kept, what is not there is said to be missing."""

import asyncio
import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic, time
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import Unavailable
from models.settings import Settings, SettingsError
from pipeline.storage import MissingObject, NoPlace, Storage, StorageDenies, open_folder
from pipeline.storage_open import open_storage, refuse_denied
from tests.faults import FaultProxy
from tests.gcs import Gcs
from tests.servers import S3, free_ports

KEY = "variants/bucket/image/order/image-800x600.webp"
MIB = 1 << 20


async def keys(storage: Storage, prefix: str) -> list[str]:
    return sorted([stored.key async for stored in storage.list_under(prefix)])


async def break_off(storage: Storage, key: str, size: int) -> None:
    async with storage.writer(key) as sink:
        await sink.write(bytes(size))
        raise LookupError


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file()]


def settings_at(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that lead to an empty place in a store of this kind."""
    if kind == "folder":
        return Settings(data=tmp_path)
    found: Settings = request.getfixturevalue(f"{kind}_settings")
    return found


@pytest.fixture(params=["folder", "s3", "gcs", "azure"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of each kind."""
    return open_storage(settings_at(request.param, request, tmp_path))


class Remote(NamedTuple):
    """A store beyond the network: settings, wrong ones, and how a bucket comes and goes."""

    settings: Settings
    wrong: tuple[dict[str, str], ...]
    make_bucket: Callable[[str], object]
    drop_bucket: Callable[[str], object]

    def at(self, bucket: str) -> Storage:
        scheme = self.settings.objects_url.partition("://")[0]
        url = f"{scheme}://{bucket}/x"
        return open_storage(msgspec.structs.replace(self.settings, objects_url=url))


@pytest.fixture(params=["s3", "gcs", "azure"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    settings = settings_at(request.param, request, tmp_path)
    server = request.getfixturevalue(request.param)
    if request.param == "gcs":
        stranger = {"objects_credentials": server.key_file(tmp_path, stranger=True)}
        return Remote(settings, (stranger,), server.make_bucket, server.drop_bucket)
    wrong: dict[str, str] = {"objects_secret_key": base64.b64encode(b"wrong").decode()}
    other = {"objects_access_key": "wrong"}
    # The emulator asks for its account by path: another name is another place, not another key.
    both = (wrong,) if request.param == "azure" else (wrong, other)
    return Remote(settings, both, server.make_bucket, server.drop_bucket)


# The contract


async def test_what_was_put_is_got(storage: Storage) -> None:
    for size in (0, 1, 100_000):
        data = os.urandom(size)
        await storage.put(KEY, data)
        assert await storage.get(KEY) == data


async def test_a_file_is_put_with_its_content(storage: Storage, tmp_path: Path) -> None:
    data = os.urandom(7 * MIB)
    (tmp_path / "print").write_bytes(data)
    await storage.put(KEY, tmp_path / "print")
    assert await storage.get(KEY) == data


async def test_putting_again_replaces(storage: Storage) -> None:
    await storage.put(KEY, b"first, and longer")
    await storage.put(KEY, b"second")
    assert await storage.get(KEY) == b"second"
    assert await keys(storage, "variants") == [KEY]


async def test_readers_see_one_version_or_the_other(storage: Storage) -> None:
    versions = [bytes([n]) * 200_000 for n in range(4)]
    await storage.put(KEY, versions[0])

    async def read() -> bool:
        return await storage.get(KEY) in versions

    puts = [storage.put(KEY, version) for version in versions]
    seen = await asyncio.gather(*puts, *(read() for _ in range(20)))
    assert all(seen[4:])


async def test_what_is_not_there_is_missing(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(MissingObject, match="nothing"):
        await storage.get("variants/nothing")
    with pytest.raises(MissingObject, match="nothing"):
        async with storage.file("variants/nothing", tmp_path):
            pass
    assert files_in(tmp_path) == []


async def test_deleting_is_the_same_once_and_twice(storage: Storage) -> None:
    await storage.put(KEY, b"data")
    await storage.put("variants/other", b"data")
    for _ in range(2):
        await storage.delete([KEY, "variants/never-there"])
        with pytest.raises(MissingObject):
            await storage.get(KEY)
    assert await storage.get("variants/other") == b"data"


async def test_a_listing_names_what_is_below_and_nothing_beside(storage: Storage) -> None:
    for key in ("a/b/1", "a/b/c/2", "a/bb/3", "ab/4"):
        await storage.put(key, key.encode())
    assert await keys(storage, "a") == ["a/b/1", "a/b/c/2", "a/bb/3"]
    assert await keys(storage, "a/b") == ["a/b/1", "a/b/c/2"]
    assert await keys(storage, "nothing") == []


async def test_a_listing_goes_on_after_its_first_page(storage: Storage) -> None:
    wanted = [f"many/{number:03}" for number in range(10)]
    await asyncio.gather(*(storage.put(key, b"") for key in wanted))
    assert await keys(storage, "many") == wanted


async def test_a_listing_says_size_and_age(storage: Storage) -> None:
    await storage.put(KEY, b"12345")
    (stored,) = [stored async for stored in storage.list_under("variants")]
    assert stored.size == 5
    assert abs(stored.modified - time()) < 60


async def test_deleting_below_a_prefix_spares_its_neighbours(storage: Storage) -> None:
    for key in ("v/image/1", "v/image/order/2", "v/image2/3", "v/other/4"):
        await storage.put(key, b"data")
    assert await storage.delete_under("v/image") == 2
    assert await keys(storage, "v") == ["v/image2/3", "v/other/4"]
    assert await storage.delete_under("v/image") == 0


async def test_of_many_who_create_one_object_one_does(storage: Storage) -> None:
    asked = [f"from {n}".encode() for n in range(8)]
    made = await asyncio.gather(*(storage.create(KEY, data) for data in asked))
    assert sum(made) == 1
    assert await storage.get(KEY) == asked[made.index(True)]
    assert not await storage.create(KEY, b"too late")
    await storage.delete([KEY])
    assert await storage.create(KEY, b"after")
    assert await storage.get(KEY) == b"after"


async def test_a_part_of_an_object_is_those_bytes(storage: Storage) -> None:
    data = os.urandom(100_000)
    await storage.put(KEY, data)
    for start, length in ((0, 1), (0, 100_000), (99_999, 1), (50_000, 7)):
        assert await storage.part(KEY, start, length) == data[start : start + length]
    assert await storage.part(KEY, 99_000, 5000) == data[99_000:]
    with pytest.raises(MissingObject):
        await storage.part("variants/nothing", 0, 1)


async def test_a_copy_has_the_bytes_and_outlives_its_source(storage: Storage) -> None:
    await storage.put(KEY, b"data")
    await storage.copy(KEY, "variants/copy")
    await storage.delete([KEY])
    assert await storage.get("variants/copy") == b"data"
    with pytest.raises(MissingObject):
        await storage.copy(KEY, "variants/another")


async def test_who_asks_what_is_missing_is_told_exactly_that(storage: Storage) -> None:
    await storage.put(KEY, b"data")
    assert await storage.missing([KEY, "variants/nothing"]) == {"variants/nothing"}


async def test_a_stream_becomes_an_object_at_its_end_and_not_before(storage: Storage) -> None:
    digest = hashlib.sha256()
    async with storage.writer(KEY) as sink:
        for _ in range(12):
            chunk = os.urandom(MIB)
            digest.update(chunk)
            await sink.write(chunk)
        with pytest.raises(MissingObject):
            await storage.get(KEY)
    assert hashlib.sha256(await storage.get(KEY)).digest() == digest.digest()


async def test_an_empty_stream_is_an_empty_object(storage: Storage) -> None:
    async with storage.writer(KEY):
        pass
    assert await storage.get(KEY) == b""


@pytest.mark.parametrize("size", [10, 6 * MIB])
async def test_a_stream_that_breaks_off_leaves_nothing(storage: Storage, size: int) -> None:
    with pytest.raises(LookupError):
        await break_off(storage, "staging/broken", size)
    assert await keys(storage, "staging") == []
    with pytest.raises(MissingObject):
        await storage.get("staging/broken")


async def test_a_stream_that_is_cancelled_leaves_nothing(storage: Storage) -> None:
    begun = asyncio.Event()

    async def write_for_ever() -> None:
        async with storage.writer("staging/cancelled") as sink:
            for _ in range(8):
                await sink.write(bytes(MIB))
            begun.set()
            await asyncio.sleep(60)

    writing = asyncio.create_task(write_for_ever())
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await keys(storage, "staging") == []


async def test_a_broken_replacement_leaves_the_object_as_it_was(storage: Storage) -> None:
    await storage.put(KEY, b"as it was")
    with pytest.raises(LookupError):
        await break_off(storage, KEY, MIB)
    assert await storage.get(KEY) == b"as it was"


async def test_an_object_is_a_local_file_while_it_is_needed(
    storage: Storage, tmp_path: Path
) -> None:
    data = os.urandom(3 * MIB)
    await storage.put(KEY, data)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with storage.file(KEY, scratch) as path:
        assert path.read_bytes() == data
    assert list(scratch.iterdir()) == []
    assert await storage.get(KEY) == data


async def test_several_readers_of_one_object_do_not_disturb_each_other(
    storage: Storage, tmp_path: Path
) -> None:
    await storage.put(KEY, b"data")

    async def read(seconds: float) -> bytes:
        async with storage.file(KEY, tmp_path) as path:
            await asyncio.sleep(seconds)
            return path.read_bytes()

    assert await asyncio.gather(*(read(n / 50) for n in range(5))) == [b"data"] * 5


async def test_a_store_that_answers_passes_its_check(storage: Storage) -> None:
    await storage.check()


# The folder


@given(chunks=st.lists(st.binary(max_size=400_000), max_size=6))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_chunks_make_the_object_they_add_up_to(chunks: list[bytes], folder: Path) -> None:
    async def write_and_read() -> bytes:
        storage = open_folder(folder)
        async with storage.writer(KEY) as sink:
            for chunk in chunks:
                await sink.write(chunk)
        return await storage.get(KEY)

    assert asyncio.run(write_and_read()) == b"".join(chunks)


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "a//b", "a/./b", "nul\0byte", ""])
async def test_a_key_that_leads_elsewhere_is_refused(
    folder_storage: Storage, folder: Path, key: str
) -> None:
    with pytest.raises((Unavailable, ValueError)):
        await folder_storage.put(key, b"data")
    assert not (folder.parent / "outside").exists()


async def test_deleting_below_a_prefix_removes_its_empty_folders(
    folder_storage: Storage, folder: Path
) -> None:
    await folder_storage.put("variants/bucket/image/order/key", b"data")
    await folder_storage.put("variants/bucket/other/order/key", b"data")
    await folder_storage.delete_under("variants/bucket/image")
    assert sorted(path.name for path in (folder / "variants/bucket").iterdir()) == ["other"]


async def test_leftovers_of_a_killed_write_are_listed_and_removed(
    folder_storage: Storage, folder: Path
) -> None:
    await folder_storage.put("staging/whole", b"data")
    (folder / "staging/killed#1").write_bytes(b"half")
    (folder / "staging/deep").mkdir()
    (folder / "staging/deep/killed#27").write_bytes(b"half")
    found = await keys(folder_storage, "staging")
    assert found == ["staging/deep/killed#27", "staging/killed#1", "staging/whole"]
    await folder_storage.delete(found[:2])
    assert await keys(folder_storage, "staging") == ["staging/whole"]


async def test_deleting_below_a_prefix_takes_leftovers_too(
    folder_storage: Storage, folder: Path
) -> None:
    await folder_storage.put("variants/b/image/key", b"data")
    (folder / "variants/b/image/killed#1").write_bytes(b"half")
    await folder_storage.delete_under("variants/b/image")
    assert not (folder / "variants/b/image").exists()


async def test_a_real_kill_in_the_middle_of_a_write_leaves_a_leftover_that_is_found(
    folder_storage: Storage, folder: Path
) -> None:
    program = f"""
import asyncio, os
from pathlib import Path
from pipeline.storage import open_folder
async def main():
    async with open_folder(Path({str(folder)!r})).writer("staging/killed") as sink:
        for _ in range(8):
            await sink.write(bytes(1 << 20))
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await done.wait() == -9
    (left,) = await keys(folder_storage, "staging")
    assert "#" in left
    await folder_storage.delete([left])
    assert await keys(folder_storage, "staging") == []


def test_the_folder_itself_is_on_disk_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def see(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))

    monkeypatch.setattr(os, "fsync", see)
    open_storage(Settings(data=tmp_path / "new" / "data"))
    wanted = tmp_path / "new" / "data" / "objects"
    assert synced[:4] == [str(path) for path in (wanted, *list(wanted.parents)[:3])]


_TRACED = """
import asyncio, os, sys
from pathlib import Path
from pipeline.storage import open_folder
async def main():
    storage = open_folder(Path(sys.argv[1]))
    await storage.put("variants/b/i/put", b"data")
    os.write(2, b"put\\n")
    async with storage.writer("staging/written") as sink:
        await sink.write(b"data")
    os.write(2, b"written\\n")
asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_an_object_is_on_disk_with_its_folders_before_the_call_returns(folder: Path) -> None:
    trace = folder.parent / "trace"
    watched = "trace=fsync,fdatasync,rename,renameat,renameat2,linkat,write"
    command = ["strace", "-f", "-y", "-e", watched, "-o", str(trace)]
    try:
        subprocess.run(
            [*command, sys.executable, "-c", _TRACED, str(folder)],
            check=True,
            capture_output=True,
            timeout=60,
        )
    except subprocess.CalledProcessError as error:
        if b"ptrace" in error.stderr:
            pytest.skip("this machine does not let strace trace")
        raise
    lines = trace.read_text().splitlines()
    put, written = (_line(lines, f'"{word}\\n"') for word in ("put", "written"))
    synced = _synced(lines[:put], folder)
    wanted = ["variants/b/i/put", "variants/b/i", "variants/b", "variants", ""]
    assert [path for path in synced if path in wanted][-len(wanted) :] == wanted
    synced = _synced(lines[put:written], folder)
    wanted = ["staging/written", "staging", ""]
    assert [path for path in synced if path in wanted] == wanted


def _line(lines: list[str], text: str) -> int:
    return next(number for number, line in enumerate(lines) if "write(2<" in line and text in line)


def _synced(lines: list[str], folder: Path) -> list[str]:
    """What was synced after it had got its name, by its way below the folder."""
    paths = [line.partition("fsync(")[2] for line in lines if "fsync(" in line]
    found = [path.partition("<")[2].partition(">")[0] for path in paths]
    return [path.removeprefix(f"{folder}").lstrip("/") for path in found]


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    root.mkdir()
    (root / "variants").write_bytes(b"a file where a folder should be")
    storage = open_folder(root)
    with pytest.raises(Unavailable):
        await storage.put(KEY, b"data")
    with pytest.raises(Unavailable):
        async with storage.writer(KEY) as sink:
            await sink.write(b"data")


def test_without_an_address_objects_are_in_the_data_folder(tmp_path: Path) -> None:
    open_storage(Settings(data=tmp_path))
    assert (tmp_path / "objects").is_dir()


# Beyond the network


async def test_wrong_keys_are_named_and_not_taken_for_a_missing_object(remote: Remote) -> None:
    for wrong in remote.wrong:
        storage = open_storage(msgspec.structs.replace(remote.settings, **wrong))
        for call in (
            storage.get(KEY),
            storage.put(KEY, b"data"),
            storage.create(KEY, b"data"),
            storage.delete([KEY]),
            storage.check(),
        ):
            with pytest.raises(StorageDenies):
                await call
        with pytest.raises(SettingsError, match="CALOTYPE_OBJECTS_"):
            await refuse_denied(storage)


async def test_a_bucket_that_does_not_exist_is_not_an_empty_one(remote: Remote) -> None:
    storage = remote.at("nothing-here")
    for call in (storage.check(), storage.get(KEY), keys(storage, "variants")):
        with pytest.raises(NoPlace):
            await call


async def test_a_bucket_that_is_gone_is_not_an_object_that_is_gone(
    remote: Remote, tmp_path: Path
) -> None:
    remote.make_bucket("gone")
    storage = remote.at("gone")
    await storage.put(KEY, b"data")
    remote.drop_bucket("gone")
    for call in (
        storage.get(KEY),
        storage.delete([KEY]),
        keys(storage, "variants"),
        storage.missing([KEY]),
        storage.copy(KEY, "variants/copy"),
    ):
        with pytest.raises(NoPlace):
            await call
    with pytest.raises(NoPlace):
        async with storage.file(KEY, tmp_path):
            pass


async def test_a_store_that_stumbles_is_asked_again(gcs: Gcs, gcs_settings: Settings) -> None:
    storage = open_storage(gcs_settings)
    await storage.put(KEY, b"data")
    gcs.fail(503, 500)
    assert await storage.get(KEY) == b"data"
    gcs.fail(503)
    await storage.put(KEY, b"more")
    gcs.fail(429)
    assert await keys(storage, "variants") == [KEY]
    gcs.fail(503, 503, 503, 503)
    with pytest.raises(Unavailable):
        await storage.get(KEY)
    assert await storage.get(KEY) == b"more"


async def test_a_conflict_of_creators_is_not_taken_for_an_object(
    gcs: Gcs, gcs_settings: Settings
) -> None:
    """409 says that another one is on its way; it may never arrive."""
    storage = open_storage(gcs_settings)
    gcs.fail(409)
    assert await storage.create(KEY, b"data")
    assert await storage.get(KEY) == b"data"
    gcs.fail(409)
    assert not await storage.create(KEY, b"too late")


@pytest.mark.parametrize(
    ("url", "more", "named"),
    [
        ("http://bucket", {}, "CALOTYPE_OBJECTS_URL"),
        ("s3://", {}, "CALOTYPE_OBJECTS_URL"),
        ("bucket", {}, "CALOTYPE_OBJECTS_URL"),
        ("s3://b", {"objects_access_key": "a"}, "CALOTYPE_OBJECTS_SECRET_KEY"),
        ("az://b", {"objects_secret_key": "a"}, "CALOTYPE_OBJECTS_ACCESS_KEY"),
        ("gs://b", {"objects_access_key": "a", "objects_secret_key": "b"}, "OBJECTS_CREDENTIALS"),
        ("gs://b", {"objects_credentials": "/no/such/file"}, "CALOTYPE_OBJECTS_CREDENTIALS"),
        ("s3://b", {"objects_credentials": __file__}, "CALOTYPE_OBJECTS_CREDENTIALS"),
        ("gs://b", {"objects_credentials": __file__}, "CALOTYPE_OBJECTS_URL"),
        ("az://b", {"objects_access_key": "a", "objects_secret_key": "no!"}, "OBJECTS_URL"),
    ],
)
def test_a_half_named_store_is_refused_by_name(url: str, more: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        open_storage(Settings(objects_url=url, **more))  # type: ignore[arg-type]
    assert "no!" not in str(refused.value)


# S3


async def test_a_folder_that_is_gone_is_not_an_object_that_is_gone(
    folder_storage: Storage, folder: Path, tmp_path: Path
) -> None:
    await folder_storage.put(KEY, b"data")
    shutil.rmtree(folder)
    for call in (folder_storage.get(KEY), folder_storage.delete([KEY])):
        with pytest.raises(Unavailable):
            await call
    with pytest.raises(Unavailable):
        async with folder_storage.file(KEY, tmp_path):
            pass


async def write(storage: Storage, key: str, size: int) -> None:
    async with storage.writer(key) as sink:
        await sink.write(bytes(size))


async def test_a_server_that_freezes_is_unavailable_in_time_and_used_again(
    s3_settings: Settings, line: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage_open._SILENCE", timedelta(seconds=1))
    endpoint = f"http://127.0.0.1:{line.port}"
    storage = open_storage(msgspec.structs.replace(s3_settings, objects_endpoint=endpoint))
    await storage.put(KEY, b"data")
    line.freeze()
    for call in (
        storage.get(KEY),
        storage.put(KEY, b"more"),
        storage.delete([KEY]),
        keys(storage, "variants"),
        storage.check(),
        write(storage, "staging/small", 10),
        write(storage, "staging/large", 12 * MIB),
    ):
        async with asyncio.timeout(15):
            with pytest.raises(Unavailable):
                await call
    line.reset()  # what was on its way may still arrive otherwise, after what is written now
    line.thaw()
    await storage.put(KEY, b"after")
    assert await storage.get(KEY) == b"after"


async def test_a_dead_server_is_unavailable_in_time(s3_settings: Settings) -> None:
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    storage = open_storage(msgspec.structs.replace(s3_settings, objects_endpoint=endpoint))
    begun = monotonic()
    for call in (storage.get(KEY), storage.put(KEY, b"data"), keys(storage, "variants")):
        with pytest.raises(Unavailable):
            await call
    assert monotonic() - begun < 30


@pytest.fixture
async def line(s3: S3) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", s3.port) as proxy:
        yield proxy


async def test_a_server_that_comes_back_is_used_again(
    s3_settings: Settings, line: FaultProxy
) -> None:
    endpoint = f"http://127.0.0.1:{line.port}"
    storage = open_storage(msgspec.structs.replace(s3_settings, objects_endpoint=endpoint))
    await storage.put(KEY, b"data")
    line.reset()
    assert await storage.get(KEY) == b"data"
    line.down()
    with pytest.raises(Unavailable):
        await storage.get(KEY)
    await line.up()
    assert await storage.get(KEY) == b"data"


async def test_a_download_that_is_cut_off_is_never_half_a_file(
    s3_settings: Settings, line: FaultProxy, tmp_path: Path
) -> None:
    data = os.urandom(4 * MIB)
    await open_storage(s3_settings).put(KEY, data)
    endpoint = f"http://127.0.0.1:{line.port}"
    storage = open_storage(msgspec.structs.replace(s3_settings, objects_endpoint=endpoint))
    line.limit_data(MIB, ways=("down",))
    try:
        async with storage.file(KEY, tmp_path) as path:
            assert path.read_bytes() == data
    except Unavailable:
        pass
    assert files_in(tmp_path) == []
