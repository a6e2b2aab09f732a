"""Object storage: one meaning over every backend, and nothing acknowledged before it is on disk."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from models.errors import Unavailable
from models.failpoint import failpoint
from models.meter import Meter
from models.wire import Wire

if TYPE_CHECKING:
    from obstore.store import S3Credential  # there for type checkers only

STAGING = "staging"

# Buffers of one streaming upload: S3 wants parts of 5 MiB, a local file is content with less.
_LOCAL_BUFFER = 256 * 1024
PART_BUFFER = 5 * 1024 * 1024
_CUSTOMER_TIMEOUT = timedelta(seconds=30)
_HEADS_AT_ONCE = 32
_LITTER = re.compile(r"#\d+$")

# A conditional put may be answered 409 because another one is on its way: ask again who won.
_CONFLICTS = 5
_SHORTLY = 0.1
# What stores say of an object that is not there, which is not what they say of its bucket. The last
# is Azure's to a deletion.
_GONE = (
    "<Code>NoSuchKey</Code>",
    "<Code>BlobNotFound</Code>",
    "The specified blob does not exist",
)
# A listing fails with an error of no kind: what it is stands in its words alone.
_DENIED = ("non-2xx status code: 401", "non-2xx status code: 403")
_NO_PLACE = ("<Code>NoSuchBucket</Code>", "<Code>ContainerNotFound</Code>")

Store = LocalStore | S3Store | GCSStore | AzureStore


class MissingObject(Exception):
    """There is no object under this key."""


class AlreadyThere(Unavailable):
    """There is an object under this key, or about to be."""


class StorageDenies(Unavailable):
    """The store is there and does not let us do this."""


class NoPlace(Unavailable):
    """The store is there, the bucket to put things in is not."""


class Stored(NamedTuple):
    """An object as a listing sees it. Size in bytes, age in seconds since the epoch."""

    key: str
    size: int
    modified: float


class Place(Wire, frozen=True):
    """A place in a customer's own S3, and the keys to it: for nobody's eyes."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Place({self.endpoint}/{self.bucket})"


class Sink(Protocol):
    """Where a body is streamed to."""

    async def write(self, chunk: bytes) -> object:
        """Take the next bytes."""


class Storage:
    """Keys to bytes. Durable when a call returns; overwriting is allowed and atomic.

    Raises MissingObject for a key without an object, Unavailable when the store is away.
    """

    def __init__(
        self,
        store: Store,
        buffer: int,
        folder: Path | None = None,
        meter: Meter | None = None,
        backend: str = "s3",
    ) -> None:
        self._store = store
        self._buffer = buffer
        self._folder = folder
        self._meter = meter or Meter()
        self._backend = backend

    async def put(
        self, key: str, data: bytes | Path, content_type: str = "", *, lasting: bool = True
    ) -> None:
        """Keep `data`, bytes or the content of a file, under `key`.

        The type is for who reads the object past us, and S3 only: we have our own note of it. What
        is not `lasting` may go, or be torn, in a power cut.
        """
        told = {"Content-Type": content_type} if content_type and self._folder is None else None
        with self._measured("put"):
            with _available():
                await obstore.put_async(self._store, key, data, attributes=told)
            failpoint("W2.before_sync")
            if lasting:
                await self._sync(key)

    async def create(self, key: str, data: bytes) -> bool:
        """Keep `data` under `key` unless something is there; whether it was kept.

        Of several at once exactly one keeps it.
        """
        for _ in range(_CONFLICTS):
            if await self._created(key, data):
                await self._sync(key)
                return True
            if not await self.missing([key]):
                return False
            await asyncio.sleep(_SHORTLY)
        raise Unavailable("The object storage has too many writers of one object.")

    async def _created(self, key: str, data: bytes) -> bool:
        with self._measured("create"):
            try:
                with _available():
                    await obstore.put_async(self._store, key, data, mode="create")
            except AlreadyThere:
                return False
            return True

    async def part(self, key: str, start: int, length: int) -> bytes:
        """So many bytes of the object from `start` on, fewer where it ends."""
        with self._measured("part"), self._typed(key):
            if self._folder is not None:
                (self._folder / key).stat()
            found = await obstore.get_range_async(self._store, key, start=start, length=length)
            return bytes(found)

    async def copy(self, source: str, key: str) -> None:
        """Keep the bytes of one object under another key, too."""
        with self._measured("copy"):
            with self._typed(source):
                await obstore.copy_async(self._store, source, key)
            await self._sync(key)

    @contextlib.asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[Sink]:
        """A sink that becomes the object when the block ends, and nothing when it raises."""
        store = obstore.open_writer_async(
            self._store, key, buffer_size=self._buffer, max_concurrency=2
        )
        with _available():
            sink = await store.__aenter__()
        try:
            yield _Sink(sink)
        except BaseException as error:
            with contextlib.suppress(BaseError, OSError):
                await store.__aexit__(type(error), error, error.__traceback__)
            raise
        with self._measured("write"):
            with _available():
                await store.__aexit__(None, None, None)
            failpoint("G1.before_sync")
            await self._sync(key)

    async def get(self, key: str) -> bytes:
        """The whole object."""
        with self._measured("get"), self._typed(key):
            if self._folder is not None:
                (self._folder / key).stat()  # a miss costs 20 times as much in obstore's threads
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    @contextlib.asynccontextmanager
    async def file(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        """The object as a local file to read; one in `scratch` lives as long as the block."""
        if self._folder is not None:
            path = self._folder / key
            with self._typed(key):
                path.stat()
            yield path
            return
        path = scratch / uuid4().hex
        try:
            await self._download(key, path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    async def _download(self, key: str, path: Path) -> None:
        with self._measured("download"), self._typed(key):
            result = await obstore.get_async(self._store, key)
            with path.open("wb") as file:
                async for chunk in result.stream(min_chunk_size=1 << 20):
                    file.write(chunk)

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete objects and leftovers; one that is not there is as good as deleted."""
        for key in keys:
            if self._folder is not None and _LITTER.search(key):
                await asyncio.to_thread((self._folder / key).unlink, missing_ok=True)
                continue
            with contextlib.suppress(MissingObject), self._measured("delete"), self._typed(key):
                await obstore.delete_async(self._store, key)

    async def delete_under(self, prefix: str) -> int:
        """Delete every object below `prefix/`; how many there were."""
        found = [stored.key async for stored in self.list_under(prefix)]
        await self.delete(found)
        if self._folder is not None:
            await asyncio.to_thread(_prune, self._folder / prefix)
        return len(found)

    async def list_under(self, prefix: str) -> AsyncIterator[Stored]:
        """Every object below `prefix/`, and the store's own leftovers of broken writes."""
        with _available():
            async for page in obstore.list(self._store, f"{prefix}/"):
                for meta in page:
                    yield Stored(meta["path"], meta["size"], meta["last_modified"].timestamp())
        if self._folder is not None:
            for stored in await asyncio.to_thread(_litter, self._folder, prefix):
                yield stored

    async def missing(self, keys: Sequence[str]) -> set[str]:
        """Those of these keys that have no object; Unavailable without the place for objects."""
        await self.check()
        if self._folder is not None:
            return await asyncio.to_thread(_missing, self._folder, keys)
        turns = asyncio.Semaphore(_HEADS_AT_ONCE)
        there = await asyncio.gather(*(self._is_there(key, turns) for key in keys))
        return {key for key, is_there in zip(keys, there, strict=True) if not is_there}

    async def _is_there(self, key: str, turns: asyncio.Semaphore) -> bool:
        async with turns:
            with self._measured("head"), _available():
                try:
                    await obstore.head_async(self._store, key)
                except FileNotFoundError:  # no words come with it: `check` knows of the bucket
                    return False
        return True

    async def check(self) -> None:
        """Raise Unavailable unless the store answers, and the bucket is there."""
        with self._measured("list"), _available():
            async for _ in obstore.list(self._store, "check/", chunk_size=1):
                return

    async def _sync(self, key: str) -> None:
        if self._folder is not None:
            with _available():
                await asyncio.to_thread(_sync_file_and_folders, self._folder, self._folder / key)

    @contextlib.contextmanager
    def _measured(self, operation: str) -> Iterator[None]:
        """The block is this operation. An object that is missing is an answer, and no failure."""
        with self._meter.timing("calotype_storage_operation_seconds", self._backend, operation):
            try:
                yield
            except Unavailable as error:
                why = {StorageDenies: "denied", NoPlace: "no_place"}.get(type(error), "away")
                labels = (self._backend, operation, why)
                self._meter.count("calotype_storage_errors_total", *labels)
                raise

    @contextlib.contextmanager
    def _typed(self, key: str) -> Iterator[None]:
        with _available():
            try:
                yield
            except FileNotFoundError as error:
                if self._is_missing(error):
                    raise MissingObject(key) from error
                raise

    def _is_missing(self, error: FileNotFoundError) -> bool:
        """Whether the object is missing, and not the whole place that it would be in.

        A missing bucket, or a disk that is not mounted, must not pass for an object that is gone:
        what waits for it would be given up.
        """
        if self._folder is not None:
            return self._folder.is_dir()
        return any(code in str(error) for code in _GONE)


class _Sink:
    """The store's own sink, with our name for its failures."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def write(self, chunk: bytes) -> None:
        with _available():
            await self._sink.write(chunk)


@contextlib.contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StorageDenies("The object storage refuses our credentials.") from error
    except FileNotFoundError as error:
        raise NoPlace("The object storage has no such bucket.") from error
    except (AlreadyExistsError, FileExistsError) as error:
        raise AlreadyThere from error
    except (BaseError, OSError) as error:
        raise _named(str(error)) from error


def _named(words: str) -> Unavailable:
    if any(denied in words for denied in _DENIED):
        return StorageDenies("The object storage refuses our credentials.")
    if any(nowhere in words for nowhere in _NO_PLACE):
        return NoPlace("The object storage has no such bucket.")
    return Unavailable("The object storage is not available right now.")


def _sync_file_and_folders(root: Path, path: Path) -> None:
    """Make a file and its way down from `root` survive a power cut; obstore does neither."""
    for part in (path, *path.parents):
        _sync(part)
        if part == root:
            return


def _sync_way_to(folder: Path) -> None:
    """Make the folder itself survive one, as far up as we may look."""
    for part in (folder, *folder.parents):
        with contextlib.suppress(PermissionError):
            _sync(part)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _litter(root: Path, prefix: str) -> list[Stored]:
    found = []
    for path in (root / prefix).rglob("*#*"):
        with contextlib.suppress(FileNotFoundError):
            if _LITTER.search(path.name) and path.is_file():
                status = path.stat()
                found.append(Stored(str(path.relative_to(root)), status.st_size, status.st_mtime))
    return found


def is_litter(key: str) -> bool:
    """Whether a listed key is what a broken write left, and no object."""
    return _LITTER.search(key) is not None


def _missing(root: Path, keys: Sequence[str]) -> set[str]:
    if not root.is_dir():
        raise NoPlace("The folder of objects is not there.")
    return {key for key in keys if not (root / key).is_file()}


def _prune(folder: Path) -> None:
    for path in sorted((folder, *folder.rglob("*")), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()


def open_folder(folder: Path, meter: Meter | None = None) -> Storage:
    """Objects as files of one folder, which is made when it is not there."""
    root = folder.resolve()
    root.mkdir(parents=True, exist_ok=True)
    _sync_way_to(root)
    return Storage(LocalStore(root), _LOCAL_BUFFER, root, meter, "local")


def _credentials(place: Place) -> "S3Credential":
    return {
        "access_key_id": place.access_key,
        "secret_access_key": place.secret_key,
        "token": None,
        "expires_at": None,
    }


def open_customer(place: Place, proxy: str, meter: Meter | None = None) -> Storage:
    """Objects in a customer's S3, reached through `proxy` alone; gives up soon."""
    store = S3Store(
        place.bucket,
        config={
            "endpoint": place.endpoint,
            "region": place.region,
            # What the environment says is about our own storage. It must not reach a stranger's.
            "virtual_hosted_style_request": False,
            "skip_signature": False,
            "s3_express": False,
            "request_payer": False,
            # One DELETE for each key is understood everywhere, a list of keys is not.
            "disable_bulk_delete": True,
        },
        # Given so and not as config: a session token from the environment would be added to that.
        credential_provider=lambda: _credentials(place),
        client_options={
            "proxy_url": proxy,
            "allow_http": place.endpoint.startswith("http://"),
            "timeout": _CUSTOMER_TIMEOUT,
            "pool_idle_timeout": timedelta(seconds=30),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=5)},
    )
    return Storage(store, PART_BUFFER, None, meter, "customer")
