"""What the tests stand on: real servers, started by the first test that asks for one."""

import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from models.accounts import open_account, primary_bucket
from models.database import Database, open_database, open_postgres, open_sqlite
from models.records import Account
from models.schema import migrate
from models.settings import Settings
from pipeline.bus import Bus, connect
from pipeline.storage import Storage, open_folder
from pipeline.storage_open import open_storage
from tests.azure import ACCOUNT, KEY, Absent, Azure, azure_server
from tests.gcs import Gcs, gcs_server
from tests.servers import (
    S3,
    Nats,
    Postgres,
    nats_server,
    postgres_server,
    s3_server,
    server_folder,
)

BUCKET = "tests"
_numbers = itertools.count(1)

# A shared machine is slow now and then; what an example does is what is tested, not its speed.
settings.register_profile(
    "calotype", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "calotype"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: one that is begun last is waited for alone."""
    items.sort(key=lambda item: _rank(item.path.parts))


def _rank(parts: tuple[str, ...]) -> int:
    if parts[-2:] == ("prove", "test_short.py"):
        return 0
    return 1 if "system" in parts else 2


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres with a migrated database named `empty` to copy."""
    with postgres_server() as server, server.fresh("empty") as url:
        with contextlib.closing(open_postgres(url, 1)) as database:
            migrate(database.engine)
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, migrated database."""
    with postgres.fresh(f"test_{next(_numbers)}", "empty") as url:
        yield url


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated SQLite database, as its file's content."""
    file = tmp_path_factory.mktemp("sqlite") / "empty.sqlite"
    with contextlib.closing(open_sqlite(file, 1)) as database:
        migrate(database.engine)
    return file.read_bytes()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory if there is any: for what is written often and is not about the disk."""
    with server_folder() as folder:
        yield folder


@pytest.fixture
def sqlite_file(empty_sqlite: bytes, memory: Path) -> Path:
    """A fresh, migrated SQLite database."""
    file = memory / "calotype.sqlite"
    file.write_bytes(empty_sqlite)
    return file


@pytest.fixture
def sqlite(sqlite_file: Path) -> Iterator[Database]:
    with contextlib.closing(open_sqlite(sqlite_file, 4)) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite")
        return
    with contextlib.closing(open_postgres(request.getfixturevalue("postgres_url"), 8)) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, memory: Path) -> Iterator[tuple[str, Path]]:
    """Where a database without any table is: an address, empty for SQLite, and a folder."""
    if request.param == "sqlite":
        yield "", memory
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.fresh(f"bare_{next(_numbers)}") as url:
        yield url, memory


@pytest.fixture
def bare(address: tuple[str, Path]) -> Iterator[Database]:
    """A database without any table."""
    with contextlib.closing(open_database(*address, 4)) as database:
        yield database


@pytest.fixture
async def account(database: Database) -> Account:
    """An account with 100 free credits and a megabyte of storage."""
    return await database.run(open_account, "somebody", 100, 1_000_000)


@pytest.fixture
async def bucket_id(database: Database, account: Account) -> str:
    return (await database.read(primary_bucket, account.id)).id


@pytest.fixture
def nats() -> Iterator[Nats]:
    """A nats-server of this test's own: it starts in no time, and may be killed."""
    with nats_server() as server:
        yield server


@pytest.fixture
async def bus(nats: Nats) -> AsyncIterator[Bus]:
    async with contextlib.aclosing(await connect(nats.url, nats.token)) as bus:
        await bus.prepare()
        yield bus


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    with s3_server(BUCKET) as server:
        yield server


@pytest.fixture
def s3_settings(s3: S3) -> Settings:
    """Settings that lead to an empty place in the S3 server."""
    return Settings(
        objects_url=f"s3://{BUCKET}/test-{next(_numbers)}",
        objects_endpoint=s3.endpoint,
        objects_access_key=s3.access_key,
        objects_secret_key=s3.secret_key,
    )


@pytest.fixture(scope="session")
def gcs() -> Iterator[Gcs]:
    with gcs_server() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def gcs_settings(gcs: Gcs, tmp_path: Path) -> Settings:
    """Settings that lead to an empty place in what speaks like Google's storage."""
    return Settings(
        objects_url=f"gs://{BUCKET}/test-{next(_numbers)}",
        objects_endpoint=gcs.endpoint,
        objects_credentials=gcs.key_file(tmp_path),
    )


@pytest.fixture(scope="session")
def azure() -> Iterator[Azure]:
    try:
        with azure_server(BUCKET) as server:
            yield server
    except Absent as absent:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Azurite to run against: {absent}")


@pytest.fixture
def azure_settings(azure: Azure) -> Settings:
    """Settings that lead to an empty place in Microsoft's emulator."""
    return Settings(
        objects_url=f"az://{BUCKET}/test-{next(_numbers)}",
        objects_endpoint=azure.endpoint,
        objects_access_key=ACCOUNT,
        objects_secret_key=KEY,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the folder storage keeps its objects."""
    made = tmp_path / "objects"
    made.mkdir()
    return made


@pytest.fixture
def folder_storage(folder: Path) -> Storage:
    return open_folder(folder)


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """An empty storage of each kind."""
    if request.param == "folder":
        found: Storage = request.getfixturevalue("folder_storage")
        return found
    return open_storage(request.getfixturevalue("s3_settings"))
