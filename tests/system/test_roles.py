"""Each role a process of its own, on Postgres, S3 and a NATS that somebody else runs."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from models.settings import Settings
from tests.servers import Nats, free_ports
from tests.system.drawn import photo
from tests.system.world import CALOTYPE, clean_environment, eventually


class Fleet:
    """Processes of the roles, and the environment that they share."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = clean_environment() | environment
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [CALOTYPE, *command, "--data", self.folder / "admin"],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def role(self, name: str, role: str, **environment: str) -> Iterator[None]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [CALOTYPE, role, "--data", self.folder / name],
                stdout=log,
                stderr=log,
                env=self.environment | environment,
            )
        self.running[name] = process
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0, (self.folder / f"{name}.log").read_text()


@pytest.fixture
def fleet(
    postgres_url: str, s3_settings: Settings, nats: Nats, tmp_path: Path
) -> Iterator[tuple[Fleet, list[int]]]:
    first, second, edge = ports = free_ports(3)
    environment = {
        "CALOTYPE_DATABASE_URL": postgres_url,
        "CALOTYPE_NATS_URL": nats.url,
        "CALOTYPE_NATS_TOKEN": nats.token,
        "CALOTYPE_NATS_PROOF": nats.proof,
        "CALOTYPE_OBJECTS_URL": s3_settings.objects_url,
        "CALOTYPE_OBJECTS_ENDPOINT": s3_settings.objects_endpoint,
        "CALOTYPE_OBJECTS_ACCESS_KEY": s3_settings.objects_access_key,
        "CALOTYPE_OBJECTS_SECRET_KEY": s3_settings.objects_secret_key,
        "CALOTYPE_SECRET": "a-secret-of-these-tests-and-no-other",
        "CALOTYPE_EDGE_URL": f"http://127.0.0.1:{edge}",
    }
    made = Fleet(environment, tmp_path)
    made.run("migrate")
    with ExitStack() as stack:
        for name, role, own in (
            ("first", "gateway", {"CALOTYPE_PORT": str(first)}),
            ("second", "gateway", {"CALOTYPE_PORT": str(second)}),
            ("pipeline", "pipeline", {}),
            ("edge", "edge", {"CALOTYPE_EDGE_PORT": str(edge)}),
        ):
            stack.enter_context(made.role(name, role, **own))
        yield made, ports


def test_what_one_gateway_took_another_shows_and_the_edge_serves(
    fleet: tuple[Fleet, list[int]],
) -> None:
    roles, (first, second, _) = fleet
    roles.run("accounts", "create", "shop", "--json")
    made = json.loads(
        roles.run("keys", "create", "--account", "shop", "--permission", "all", "--json")
    )
    with httpx2.Client(
        headers={"Authorization": f"Bearer {made['key']}"}, timeout=120, trust_env=False
    ) as client:
        for port in (first, second):
            eventually(lambda: _healthy(client, port), seconds=60)  # noqa: B023 called at once
        answer = client.post(
            f"http://127.0.0.1:{first}/api/v1/images",
            files={"image": photo()},
            data={"resizeOptions": '{"width": 200}'},
        )
        assert answer.status_code == 200, answer.text
        image = answer.json()["data"][0]
        there = f"http://127.0.0.1:{second}/api/v1/images/{image['id']}"
        assert client.get(there).json()["data"] == image

        url = answer.json()["simpleData"][0]["variants"]["webp"]
        eventually(lambda: _status(client, url) == 200, seconds=30)
        assert client.delete(there).status_code == 200
        deleted = time.monotonic()
        eventually(lambda: _status(client, url) == 404, seconds=10)
        assert time.monotonic() - deleted < 2
    there = json.loads(roles.run("status", "--json"))["roles"]
    assert [one["role"] for one in there] == ["edge", "gateway", "gateway", "pipeline"]
    assert all(one["ready"] for one in there)
    found = json.loads(roles.run("reconcile", "--json"))
    assert (found["found"], found["unseen"]) == ({}, {})


def _healthy(client: httpx2.Client, port: int) -> bool:
    return _status(client, f"http://127.0.0.1:{port}/healthz") == 200


def _status(client: httpx2.Client, url: str) -> int:
    try:
        return client.get(url).status_code
    except httpx2.TransportError:
        return 0
