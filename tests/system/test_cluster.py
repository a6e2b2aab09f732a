"""compose.yaml's topology as one script starts it: two of each role, three NATS servers, Postgres,
S3, nginx in front. Whoever ends, is killed or is replaced, nobody outside notices.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import httpx2
import psycopg
import pytest

from pipeline.bus_streams import WORK_STREAM
from tests.cluster.ground import NATS
from tests.cluster.member import Member
from tests.cluster.whole import Cluster, cluster, play
from tests.prometheus import needs_prometheus, prometheus_server
from tests.prove.load import Load, Mix, form
from tests.prove.waiting import becomes
from tests.servers import server_folder
from tests.system.drawn import photo
from tests.system.world import UNLIMITED, command_of, family

# A dozen processes have to start on whatever machine this is.
pytestmark = pytest.mark.timeout(900)

log = logging.getLogger(__name__)

CAUGHT_UP_SECONDS = 15.0
LEAVE = {"Connection": "close"}
PROXY_SECONDS = 2.0
"""After which nginx asks again who was away, see upstreams.conf."""
LITTLE = {
    "CALOTYPE_CHILDREN": "1",
    "CALOTYPE_EDGE_CHILDREN": "1",
    "CALOTYPE_LOG_LEVEL": "warning",
}


@pytest.fixture(scope="module")
def whole() -> Iterator[Cluster]:
    with server_folder() as folder, cluster(folder, **UNLIMITED, **LITTLE) as made:
        assert made.key
        yield made


@pytest.fixture
def http(whole: Cluster) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {whole.key}"}
    with httpx2.Client(headers=headers, timeout=90, trust_env=False) as client:
        yield client


def test_what_one_gateway_took_the_other_lists_and_a_delete_empties_both_edges(
    whole: Cluster, http: httpx2.Client
) -> None:
    first, second = (f"{whole.address(name)}/api/v1/images" for name in whole.of("gateway"))
    answer = http.post(first, **form(photo(640, 480)))
    assert answer.status_code == 200, answer.text
    (image,) = answer.json()["data"]
    assert image["urlBase"].startswith(f"{whole.public}/")
    assert image["id"] in [one["id"] for one in http.get(second).json()["data"]]

    path = urlsplit(answer.json()["simpleData"][0]["variants"]["webp"]).path
    copies = [f"{whole.address(name)}{path}" for name in whole.of("edge")]
    for copy in copies * 2:
        assert http.get(copy).status_code == 200
    assert http.delete(f"{second}/{image['id']}").status_code == 200
    for copy in copies:
        until(lambda: http.get(copy).status_code == 404)  # noqa: B023 called at once


def test_who_lacks_something_says_what_and_is_ready_again_when_it_is_back(whole: Cluster) -> None:
    assert {name: standing(whole, name) for name in whole.operators} == dict.fromkeys(
        whole.operators, (200, set())
    )
    whole.members["objects"].kill()
    until(lambda: standing(whole, "gateway-1") == (503, {"objects"}))
    until(lambda: standing(whole, "pipeline-1") == (503, {"objects"}))
    until(lambda: standing(whole, "edge-1") == (200, {"objects"}))  # it has its copies
    whole.members["objects"].start()
    for name in whole.operators:
        until(lambda: standing(whole, name) == (200, set()), 60)  # noqa: B023 called at once


async def test_every_role_is_restarted_under_load_and_no_request_fails(whole: Cluster) -> None:
    if "nginx" not in whole.members:
        pytest.skip("nginx is not installed")
    mix = Mix(upload=8, update=1, delete=1, convert=4, damaged=0, leave=0, look=0)
    load = Load([whole.public], [whole.public], whole.key, mix=mix, clients=3, seed=7)
    async with reading(whole) as read, load.running() as books:
        for number in (1, 2):
            sending = asyncio.create_task(slow_upload(whole, seconds=6))
            await asyncio.sleep(1)
            names = [f"{role}-{number}" for role in ("gateway", "pipeline", "edge")]
            await asyncio.gather(*(asyncio.to_thread(end, whole, name) for name in names))
            for name in names:  # by this thread: with its end they would end
                whole.members[name].start()
            for name in names:
                await asyncio.to_thread(whole.members[name].wait)
            assert (await sending).status_code == 200
            await asyncio.sleep(PROXY_SECONDS)
    assert books.problems == []
    assert set(books.statuses) <= {"200", "202"}, books.statuses
    assert set(read) == {200}, read
    assert len(books.uploads) > 10


async def test_the_bus_leader_a_gateway_a_pipeline_and_an_edge_are_killed_and_nothing_is_lost(
    whole: Cluster,
) -> None:
    apis = [whole.address(name) for name in whole.of("gateway")]
    edges = [whole.address(name) for name in whole.of("edge")]
    mix = Mix(damaged=0, leave=0, convert=0, burst=1)
    load = Load(apis, edges, whole.key, mix=mix, clients=4, pause=0.1, seed=11)
    async with load.running() as books:
        for name in (leader(whole), "gateway-1", "pipeline-1", "edge-1"):
            known = len(books.uploads)
            assert await load.until(known + 5, 60)
            whole.members[name].kill()
            whole.members[name].start()
            killed = time.monotonic()
            assert await becomes(lambda: not older(whole, killed), limit()), name  # noqa: B023
            log.info("%s was killed, caught up after %.1f s", name, time.monotonic() - killed)
        for name in ("gateway-1", "pipeline-1", "edge-1"):
            await asyncio.to_thread(whole.members[name].wait)
    assert books.problems == []
    assert books.unknown == set()
    assert await becomes(lambda: not older(whole, time.monotonic()), limit())
    async with client(whole) as http:
        for image in books.images.values():
            (answer,) = {
                (await http.get(f"{api}/api/v1/images/{image['id']}")).text for api in apis
            }
            assert json.loads(answer)["data"]["id"] == image["id"]
            variant = next(one for one in image["metadata"] if one["objectKey"])
            path = f"/{image['urlBase'].rsplit('/')[-1]}/{variant['objectKey']}"
            for edge in edges:
                assert (await http.get(f"{edge}{path}")).status_code == 200
    found = await asyncio.to_thread(whole.run, "reconcile")
    assert (found["found"], found["unseen"]) == ({}, {})


@pytest.fixture
def workers(whole: Cluster) -> Iterator[dict[str, Member]]:
    """A gateway and an edge of two processes each."""
    made = {
        role: play(whole, role, f"workers-{role}", "--workers", "2") for role in ("gateway", "edge")
    }
    try:
        for one in made.values():
            one.start()
        for one in made.values():
            one.wait()
        yield made
    finally:
        for one in made.values():
            one.stop()
            whole.operators.pop(one.name)


def test_workers_share_a_port_and_one_that_dies_is_started_again(
    whole: Cluster, workers: dict[str, Member], http: httpx2.Client
) -> None:
    groups = list(workers.values())
    for group in groups:
        until(lambda: standing(whole, group.name) == (200, set()), 60)  # noqa: B023 called at once
    first = {group.name: workers_of(group) for group in groups}
    assert [len(found) for found in first.values()] == [2, 2]
    for found in first.values():
        os.kill(found[0], signal.SIGKILL)
    for group in groups:
        until(lambda: standing(whole, group.name) == (200, {"workers"}))  # noqa: B023
    for group in groups:
        until(lambda: standing(whole, group.name) == (200, set()), 90)  # noqa: B023
        assert set(workers_of(group)) & set(first[group.name]) == {first[group.name][1]}

    api = f"{whole.address('workers-gateway')}/api/v1/images"
    answers = [http.post(api, **form(photo(120, 90)), headers=LEAVE) for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    path = urlsplit(answers[0].json()["simpleData"][0]["variants"]["webp"]).path
    asked = [http.get(f"{whole.address('workers-edge')}{path}", headers=LEAVE) for _ in range(8)]
    assert {answer.status_code for answer in asked} == {200}
    until(lambda: counted(whole, "workers-edge") == len(asked))  # together, whoever answered

    left = [one for group in groups for one in workers_of(group)]
    assert workers["gateway"].stop() == 0
    workers["edge"].kill()
    until(lambda: not [one for one in left if command_of(one)], 60)


@needs_prometheus
def test_what_a_killed_worker_had_counted_stays_counted(
    whole: Cluster, workers: dict[str, Member], http: httpx2.Client
) -> None:
    answer = http.post(f"{whole.address('gateway-1')}/api/v1/images", **form(photo(120, 90)))
    path = urlsplit(answer.json()["simpleData"][0]["variants"]["webp"]).path
    copy = f"{whole.address('workers-edge')}{path}"
    nobody = f"{whole.address('workers-gateway')}/api/v1/images"
    wrong = LEAVE | {"Authorization": "Bearer wrong"}
    scraped = {role: [urlsplit(whole.operators[one.name]).netloc] for role, one in workers.items()}
    with prometheus_server(scraped) as prometheus:
        for driven in (20, 40):
            for group in workers.values():
                until(lambda: standing(whole, group.name) == (200, set()), 90)  # noqa: B023
            for _ in range(20):
                assert http.get(copy, headers=LEAVE).status_code == 200
                assert http.get(nobody, headers=wrong).status_code == 401
            until(lambda: counted(whole, "workers-edge") == driven)  # noqa: B023
            prometheus.scraped()
            refused = 'calotype_gateway_requests_total{status="401"}'
            assert prometheus.value(f"sum({refused})") == driven
            assert prometheus.value("sum(calotype_edge_requests_total)") == driven
            assert prometheus.value('calotype_edge_trusted{job="edge"}') == 2
            for group in workers.values():
                os.kill(workers_of(group)[0], signal.SIGKILL)
                until(lambda: standing(whole, group.name) == (200, {"workers"}))  # noqa: B023


def counted(whole: Cluster, name: str) -> float:
    """Answers of an edge, as its operators are told."""
    numbers = httpx2.get(f"{whole.operators[name]}/metrics", trust_env=False).text
    found = re.findall(r"^calotype_edge_requests_total\{.*\} (\S+)$", numbers, re.MULTILINE)
    return sum(map(float, found))


def workers_of(group: Member) -> list[int]:
    return [one for one in family(group.pid) if "--worker " in f"{command_of(one)} "]


def until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def standing(whole: Cluster, name: str) -> tuple[int, set[str]]:
    """What its operators' side answers: the status, and what is missing."""
    answer = httpx2.get(f"{whole.operators[name]}/readyz", timeout=10, trust_env=False)
    return answer.status_code, {
        what for what, said in answer.json()["checks"].items() if said != "ok"
    }


def end(whole: Cluster, name: str) -> None:
    """Politely; it has finished what it had."""
    assert whole.members[name].stop() == 0, whole.members[name].log.read_text()


def leader(whole: Cluster) -> str:
    """The NATS server that leads the stream of work."""
    url = f"http://{whole.places['nats-1:8222']}/jsz?accounts=true&streams=true"
    with urlopen(url, timeout=5) as answer:
        told = json.load(answer)
    (found,) = [
        stream["cluster"]["leader"]
        for account in told["account_details"]
        for stream in account.get("stream_detail", [])
        if stream["name"] == WORK_STREAM
    ]
    assert found in NATS
    return str(found)


def older(whole: Cluster, moment: float) -> int:
    """How many orders were accepted before a moment and have not come to an end."""
    age = f"{time.monotonic() - moment:.3f} seconds"
    query = (
        "SELECT count(*) FROM orders WHERE state = 'pending' "
        "AND created_at < now() - cast(%s AS interval)"
    )
    url = whole.environment["CALOTYPE_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        row = connection.execute(query, [age]).fetchone()
    return int(row[0]) if row else 0


def limit() -> float:
    """As many times longer as this machine has more to do than processors."""
    return CAUGHT_UP_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def client(whole: Cluster) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {whole.key}"}
    return httpx2.AsyncClient(headers=headers, timeout=90, trust_env=False)


async def slow_upload(whole: Cluster, seconds: float) -> httpx2.Response:
    """An original that takes its time to arrive, through nginx."""
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    body = head + photo(640, 480) + b"\r\n--b--\r\n"
    step = len(body) // 12 + 1

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), step):
            yield body[at : at + step]
            await asyncio.sleep(seconds / 12)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with client(whole) as http:
        return await http.post(f"{whole.public}/api/v1/images", content=pieces(), headers=headers)


@contextlib.asynccontextmanager
async def reading(whole: Cluster) -> AsyncIterator[Counter[int]]:
    """Somebody who reads pictures through nginx while the block runs: how often each status."""
    read: Counter[int] = Counter()
    async with client(whole) as http:
        made = [
            await http.post(f"{whole.public}/api/v1/images", **form(photo(n, n))) for n in (80, 90)
        ]
        paths = [urlsplit(one.json()["simpleData"][0]["variants"]["webp"]).path for one in made]

        async def read_on() -> None:
            while True:
                for path in paths:
                    read[(await http.get(f"{whole.public}{path}")).status_code] += 1
                    await asyncio.sleep(0.02)

        task = asyncio.create_task(read_on())
        try:
            yield read
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
