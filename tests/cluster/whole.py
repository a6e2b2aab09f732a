"""compose.yaml's topology on this machine: the same programs with the same settings, no Docker."""

import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.composed import compose, copies_of, environment_of, wanted
from tests.cluster.front import nginx
from tests.cluster.ground import NATS, Places, answers, here, moved, nats, objects, postgres, valkey
from tests.cluster.member import Member
from tests.servers import free_ports, program
from tests.system.world import CALOTYPE, clean_environment

ROLES = ("gateway", "pipeline", "edge")


class Cluster:
    """Its members by name, where it is reached, and a key that may do everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.members: dict[str, Member] = {}
        self.ports: dict[str, int] = {}
        self.operators: dict[str, str] = {}
        self.places: Places = here()
        self.secrets = _kept_secrets(folder)
        self.public = ""
        self.environment: dict[str, str] = {}

    @property
    def key(self) -> str:
        """Made once, kept in the folder."""
        file = self.folder / "key"
        if not file.exists():
            self.run("accounts", "create", "default")
            file.write_text(self.run("keys", "create", "--permission", "all")["key"])
        return file.read_text()

    def address(self, name: str) -> str:
        """Of a gateway or an edge, past nginx."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def of(self, role: str) -> list[str]:
        """The names of all that play a role."""
        return [name for name in self.members if name.rpartition("-")[0] == role]

    def run(self, *command: str) -> Any:
        """A calotype command; its JSON."""
        done = subprocess.run(
            [CALOTYPE, *command, "--data", self.folder / "admin", "--json"],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def restart(self, name: str) -> None:
        """Politely, and wait until it is ready again."""
        code = self.members[name].stop()
        assert code == 0, f"{name} ended with {code}, see {self.members[name].log}"
        self.members[name].start()
        self.members[name].wait()

    def keep(self) -> list[str]:
        """Start again whatever has ended; the names of those."""
        ended = [one for one in self.members.values() if not one.pid]
        for one in ended:
            one.start()
        return [one.name for one in ended]


def _kept_secrets(folder: Path) -> dict[str, str]:
    """One for every line that .env.example leaves empty, as its first lines say."""
    file = folder / "secrets.json"
    if not file.exists():
        made = {name: secrets.token_hex(32) for name, value in wanted().items() if not value}
        file.touch(mode=0o600)
        file.write_text(json.dumps(made))
    return dict(json.loads(file.read_text()))


@contextlib.contextmanager
def cluster(folder: Path, port: int = 0, **settings: str) -> Iterator[Cluster]:
    """All of it, ready, until the block ends; what it keeps stays in the folder.

    `settings` come on top of those of compose.yaml.
    """
    made = Cluster(folder)
    made.public = f"http://127.0.0.1:{port or free_ports(1)[0]}"
    with contextlib.ExitStack() as stack:
        stack.callback(_stop, made)
        _add(made, stack.enter_context(postgres(folder, made.places)))
        for node in NATS:
            _add(made, nats(node, folder, made.places, made.secrets))
        _add(made, objects(folder, made.places, made.secrets))
        _add(made, valkey(folder, made.places, made.secrets))
        _wait(made)
        _sync_objects(made)
        made.environment = _settings(made, settings)
        subprocess.run([CALOTYPE, "migrate"], env=made.environment, check=True, capture_output=True)
        for role in ROLES:
            for number in range(1, copies_of(role) + 1):
                _add(made, play(made, role, f"{role}-{number}"))
        _wait(made)
        _add(made, _front(made))
        _wait(made)
        yield made


def _add(made: Cluster, member: Member | None) -> None:
    if member is not None:
        made.members[member.name] = member
        member.start()


def _wait(made: Cluster) -> None:
    for member in made.members.values():
        member.wait()


def _stop(made: Cluster) -> None:
    """The last that came goes first; the roles together."""
    for name in made.members:
        if name.startswith((*ROLES, "nginx")):
            made.members[name].tell()
    for member in reversed(made.members.values()):
        member.stop()


def _sync_objects(made: Cluster) -> None:
    """What compose.yaml has SeaweedFS told before anything is kept in it."""
    (script,) = compose()["services"]["objects-synced"]["command"]
    script = script.replace("weed shell", f"{program('weed')} shell")
    for name, http in (("master", 9333), ("filer", 8888)):
        grpc = made.places[f"objects:{http + 10_000}"].rpartition(":")[2]
        place = f"{made.places[f'objects:{http}']}.{grpc}"
        script = script.replace(f"-{name}=objects:{http}", f"-{name}={place}")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _settings(made: Cluster, more: Mapping[str, str]) -> dict[str, str]:
    """Those of compose.yaml, every place where it is here."""
    given = environment_of("gateway", made.secrets | {"PUBLIC_URL": made.public})
    given |= {"CALOTYPE_TRUSTED_PROXIES": "127.0.0.0/8", "CALOTYPE_METRICS_HOST": "127.0.0.1"}
    if "valkey" not in made.members:
        given["CALOTYPE_RATE_LIMIT_STORE"] = ""
    placed = {name: moved(value, made.places) for name, value in given.items()}
    return clean_environment() | placed | {"CALOTYPE_DATA": str(made.folder / "admin")} | more


def play(made: Cluster, role: str, name: str, *options: str) -> Member:
    """A process of a role on ports of its own, to be started."""
    port, operators = free_ports(2)
    made.ports[name] = port
    made.operators[name] = f"http://127.0.0.1:{operators}"
    own = {
        "CALOTYPE_DATA": str(made.folder / name),
        "CALOTYPE_METRICS_PORT": str(operators),
        "CALOTYPE_PORT" if role == "gateway" else "CALOTYPE_EDGE_PORT": str(port),
    }
    ready = f"{made.operators[name]}/readyz"
    return Member(
        name,
        [str(CALOTYPE), role, *options],
        made.folder,
        environment=made.environment | own,
        ready=lambda: answers(ready),
    )


def _front(made: Cluster) -> Member | None:
    gateways, edges = ([made.ports[name] for name in made.of(role)] for role in ("gateway", "edge"))
    return nginx(made.folder, int(made.public.rpartition(":")[2]), gateways, edges)
