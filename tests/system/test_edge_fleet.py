"""Two edges, one bus and one storage: what one of them makes, none makes again."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.conftest import BUCKET
from tests.servers import S3, Nats, Postgres, free_ports, nats_server
from tests.system.burst import Got, burst
from tests.system.drawn import photo
from tests.system.test_roles import Fleet
from tests.system.world import CALOTYPE, eventually

CROWD = int(os.environ.get("EDGE_CROWD", "200"))
KEYS = int(os.environ.get("EDGE_KEYS", "12"))
EACH = 50 if KEYS > 12 else 10


class Pair:
    """Two edges over one image."""

    def __init__(self, fleet: Fleet, ports: list[int], path: str, http: httpx2.Client) -> None:
        self.fleet, self.ports, self.path, self.http = fleet, ports, path, http
        self.edges: list[subprocess.Popen[bytes]] = []
        self.nats: Nats

    def start(self, index: int) -> None:
        with (self.fleet.folder / f"edge{index}.log").open("ab") as log:
            process = subprocess.Popen(
                [CALOTYPE, "edge", "--data", self.fleet.folder / f"edge{index}"],
                stdout=log,
                stderr=log,
                env=self.fleet.environment | {"CALOTYPE_EDGE_PORT": str(self.ports[index])},
            )
        self.edges[index : index + 1] = [process]
        eventually(lambda: burst([self.url("", index)])[0].status == 200, seconds=60)

    def url(self, query: str, index: int) -> str:
        asked = f"?{query}" if query else ""
        return f"http://127.0.0.1:{self.ports[index]}{self.path}{asked}"

    def both(self, query: str, times: int) -> list[Got]:
        return burst([self.url(query, number % 2) for number in range(times)])

    def log(self) -> str:
        files = sorted(self.fleet.folder.glob("edge*.log"))
        return "\n".join(file.read_text()[-3000:] for file in files)


@pytest.fixture(scope="module")
def pair(postgres: Postgres, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with postgres.fresh("edge_fleet", "empty") as database, nats_server() as nats:
        yield from _pair(database, s3, nats, tmp_path_factory.mktemp("pair"))


def _pair(database: str, s3: S3, nats: Nats, folder: Path) -> Iterator[Pair]:
    gateway, *edges = free_ports(3)
    environment = {
        "CALOTYPE_DATABASE_URL": database,
        "CALOTYPE_NATS_URL": nats.url,
        "CALOTYPE_NATS_TOKEN": nats.token,
        "CALOTYPE_NATS_PROOF": nats.proof,
        "CALOTYPE_OBJECTS_URL": f"s3://{BUCKET}/edge-fleet",
        "CALOTYPE_OBJECTS_ENDPOINT": s3.endpoint,
        "CALOTYPE_OBJECTS_ACCESS_KEY": s3.access_key,
        "CALOTYPE_OBJECTS_SECRET_KEY": s3.secret_key,
        "CALOTYPE_SECRET": "a-secret-of-these-tests-and-no-other",
        "CALOTYPE_EDGE_CHILDREN": "1",
        "CALOTYPE_CHILDREN": "1",
        "CALOTYPE_EDGE_RENDERS": "500",
        "CALOTYPE_RATE_LIMIT_RENDERS": "",
    }
    fleet = Fleet(environment, folder)
    with ExitStack() as stack:
        own = {"CALOTYPE_PORT": str(gateway)}
        stack.enter_context(fleet.role("gateway", "gateway", **own))
        stack.enter_context(fleet.role("pipeline", "pipeline"))
        fleet.run("accounts", "create", "shop", "--json")
        made = json.loads(
            fleet.run("keys", "create", "--account", "shop", "--permission", "all", "--json")
        )
        http = stack.enter_context(
            httpx2.Client(
                base_url=f"http://127.0.0.1:{gateway}/api/v1",
                headers={"Authorization": f"Bearer {made['key']}"},
                timeout=120,
                trust_env=False,
            )
        )
        eventually(lambda: _answers(http), seconds=60)
        two = Pair(fleet, edges, "", http)
        two.nats = nats
        two.path = upload(http)
        try:
            two.start(0)
            two.start(1)
            yield two
        finally:
            for edge in two.edges:
                edge.terminate()
                edge.wait(20)


def upload(http: httpx2.Client, width: int = 1600, height: int = 1200) -> str:
    answer = http.post(
        "/images",
        files={"image": photo(width, height)},
        data={"resizeOptions": f'{{"width": {width}}}', "formatOptions": '{"format": "jpeg"}'},
    )
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["simpleData"][0]["variants"]["jpeg"]
    return "/" + url.split("/", 3)[3]


def _answers(http: httpx2.Client) -> bool:
    try:
        return http.get("/keys").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_crowd_that_asks_two_edges_for_one_derivative_costs_one_render(pair: Pair) -> None:
    got = pair.both("w=700&fm=webp", CROWD)
    assert {one.status for one in got} == {200}, pair.log()
    assert len({one.body for one in got}) == 1
    assert sum(one.rendered for one in got) == 1


def test_many_derivatives_at_once_are_each_rendered_once(pair: Pair) -> None:
    queries = [f"w={100 + number}&fm=jpeg" for number in range(KEYS)]
    urls = [pair.url(query, n % 2) for n in range(EACH) for query in queries]
    got = burst(urls)
    assert {one.status for one in got} == {200}, pair.log()
    assert sum(one.rendered for one in got) == KEYS
    assert len({one.body for one in got}) == KEYS


def test_another_spelling_on_another_edge_shares_the_result(pair: Pair) -> None:
    (first,) = burst([pair.url("w=333&fm=webp&q=70", 0)])
    eventually(
        lambda: "stored" in burst([pair.url("q=70&fm=webp&w=333", 1)])[0].headers["cache-status"]
    )
    (second,) = burst([pair.url("fm=webp&w=333&q=70", 1)])
    assert (first.rendered, second.rendered) == (True, False)
    assert first.body == second.body


def test_an_edge_that_is_killed_while_it_renders_is_replaced(pair: Pair) -> None:
    pair.path = upload(pair.http, 2600, 1950)
    query = "fm=avif&q=92"
    burst([pair.url("w=16", 0), pair.url("w=17", 1)])  # their studios are open
    lost = threading.Thread(target=burst, args=([pair.url(query, 0)],))
    lost.start()
    time.sleep(0.4)
    answers: list[Got] = []
    follow = threading.Thread(
        target=lambda: answers.extend(burst([pair.url(query, 1)] * (CROWD // 4)))
    )
    follow.start()
    time.sleep(0.4)
    pair.edges[0].send_signal(signal.SIGKILL)
    pair.edges[0].wait(10)
    lost.join()
    follow.join()
    assert {one.status for one in answers} == {200}, pair.log()
    assert len({one.body for one in answers}) == 1
    assert sum(one.rendered for one in answers) <= 1
    pair.start(0)


def test_without_the_bus_each_edge_makes_its_own(pair: Pair) -> None:
    pair.nats.kill()
    try:
        got = pair.both("w=444&fm=jpeg", 20)
        assert {one.status for one in got} == {200}, pair.log()
        assert len({one.body for one in got}) == 1
        assert 1 <= sum(one.rendered for one in got) <= 2
    finally:
        pair.nats.start()
    eventually(lambda: pair.both("w=445&fm=jpeg", 2)[0].status == 200, seconds=30)


def test_deleting_an_image_takes_every_derivative_from_every_edge(pair: Pair) -> None:
    kept, pair.path = pair.path, upload(pair.http, 400, 300)
    image_id = pair.path.rpartition("/")[2][:36]
    pair.both("w=60", 4)
    pair.both("w=61&fm=webp", 4)
    assert pair.http.delete(f"/images/{image_id}").status_code == 200
    eventually(lambda: {one.status for one in pair.both("w=60", 2)} == {404})
    assert {one.status for one in pair.both("w=61&fm=webp", 2)} == {404}
    pair.path = kept


def test_a_purge_says_how_much_went_and_the_next_request_makes_it_anew(pair: Pair) -> None:
    kept, pair.path = pair.path, upload(pair.http, 400, 300)
    image_id = pair.path.rpartition("/")[2][:36]
    pair.both("w=60", 4)
    pair.both("w=61&fm=webp", 4)
    time.sleep(0.5)  # what is kept is kept after the answer
    answer = pair.http.post("/purge", json={"imageId": image_id})
    assert answer.json() == {"objects": 3, "derivatives": 2}
    again = eventually(lambda: [one for one in pair.both("w=60", 2) if one.rendered])
    assert again[0].status == 200
    assert pair.http.post("/purge", json={"objectKey": "nothing.jpg"}).status_code == 404
    assert pair.http.post("/purge", json={}).status_code == 400
    pair.path = kept
