"""What Prometheus says of a running system is what was done to it, to the last request."""

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from tests.prometheus import PROMTOOL, Prometheus, needs_prometheus, prometheus_server
from tests.system.drawn import photo
from tests.system.world import World, command_of, eventually, family, world

pytestmark = needs_prometheus

UPLOADS = 3


class Watched(NamedTuple):
    """A system, who watches it, and what was answered: by API or edge, method and status."""

    world: World
    prometheus: Prometheus
    answers: Counter[tuple[str, str, int]]
    bodies: Counter[str]
    urls: list[str]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """All is driven once; the tests only ask."""
    with (
        world(tmp_path_factory.mktemp("metrics") / "data") as made,
        prometheus_server({"calotype": [made.metrics]}) as prometheus,
    ):
        seen = Watched(made, prometheus, Counter(), Counter(), [])
        made.http.event_hooks = {"response": [lambda answer: note(seen, answer)]}
        drive(seen)
        prometheus.scraped()
        yield seen


def note(seen: Watched, answer: httpx2.Response) -> None:
    whose = "api" if str(answer.url).startswith(seen.world.api) else "edge"
    seen.answers[whose, answer.request.method, answer.status_code] += 1
    seen.bodies[whose] += len(answer.read())


def drive(seen: Watched) -> None:
    http, upload = seen.world.http, seen.world.upload
    for _ in range(UPLOADS):
        answer = upload(photo(), resizeOptions={"width": 200}, formatOptions={"format": "webp"})
        assert answer.status_code == 200, answer.text
        seen.urls.append(answer.json()["simpleData"][0]["variants"]["webp"])
    fail(seen)
    file = {"image": ("picture.jpg", photo(), "image/jpeg")}
    converted = http.post("/api/v1/convert", files=file, data={"resizeOptions": '{"width": 50}'})
    assert converted.status_code == 200, converted.text
    for url in seen.urls:
        for _ in range(5):
            assert http.get(url).status_code == 200
    etag = http.get(seen.urls[0]).headers["etag"]
    assert http.get(seen.urls[0], headers={"If-None-Match": etag}).status_code == 304
    for _ in range(3):
        assert http.get(f"{seen.urls[0]}?w=100").status_code == 200
    assert http.get(f"{seen.urls[0]}?w=wide").status_code == 400
    delete(seen, seen.urls[2])
    crash_a_child(seen.world)


def fail(seen: Watched) -> None:
    """In every way that is somebody else's fault."""
    http, upload = seen.world.http, seen.world.upload
    assert upload(b"no picture").status_code == 400
    assert upload(photo()[:2000], resizeOptions={"width": 50}).status_code >= 400
    inside = http.post("/api/v1/images", files={"url": (None, "http://169.254.169.254/meta")})
    assert inside.status_code == 400
    assert http.get("/api/v1/images", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert http.get("/nowhere/at/all").status_code == 404
    assert http.put("/api/v1/images").status_code == 405


def delete(seen: Watched, url: str) -> None:
    image = url.rpartition("/")[2][:36]
    assert seen.world.http.delete(f"/api/v1/images/{image}").status_code == 200
    eventually(lambda: "calotype_edge_purges_total 1.0" in shown(seen.world), seconds=30)
    assert seen.world.http.get(url).status_code == 404


def shown(system: World) -> str:
    return httpx2.get(f"http://{system.metrics}/metrics", trust_env=False).text


def crash_a_child(system: World) -> None:
    """One of them is killed; the next order is none the worse."""
    children = [one for one in family(system.process.pid) if "pipeline.child" in command_of(one)]
    os.kill(children[0], signal.SIGKILL)
    assert system.upload(photo(), resizeOptions={"width": 60}).status_code == 200


def test_every_request_is_counted_by_route_and_status(watched: Watched) -> None:
    counted = Counter[tuple[str, str, int]]()
    for sample in watched.prometheus.query("calotype_gateway_requests_total"):
        labels = sample.labels
        counted["api", labels["method"], int(labels["status"])] += int(sample.value)
    assert counted == Counter(
        {key: count for key, count in watched.answers.items() if key[0] == "api"}
    )


@pytest.mark.parametrize(
    ("status", "method", "route"),
    [(401, "GET", "/api/v1/images"), (404, "GET", "(none)"), (405, "PUT", "(none)")],
)
def test_what_is_refused_early_is_counted_as_what_it_was(
    watched: Watched, status: int, method: str, route: str
) -> None:
    labels = f'status="{status}", method="{method}", route="{route}"'
    assert watched.prometheus.value(f"calotype_gateway_requests_total{{{labels}}}") == 1


def test_every_request_is_timed(watched: Watched) -> None:
    ask = watched.prometheus.value
    asked = sum(count for key, count in watched.answers.items() if key[0] == "api")
    assert ask("sum(calotype_gateway_request_seconds_count)") == asked
    upload = 'method="POST", route="/api/v1/images", status="200", le="120.0"'
    took = ask(f"calotype_gateway_request_seconds_bucket{{{upload}}}")
    assert took == UPLOADS + 1


def test_no_label_has_a_path_or_a_key_in_it(watched: Watched) -> None:
    said = {
        value
        for sample in watched.prometheus.query('{__name__=~"calotype_.+"}')
        for value in sample.labels.values()
    }
    for url in watched.urls:
        assert not [value for value in said if url.rpartition("/")[2][:8] in value]
    assert "/api/v1/images/{image_id}" in said


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('calotype_orders_total{state="accepted"}', UPLOADS + 2),
        ('calotype_orders_total{state="done"}', UPLOADS + 1),
        ('calotype_orders_total{state="failed"}', 1),
        ('calotype_order_seconds_count{state="done"}', UPLOADS + 1),
        ('calotype_uploads_total{outcome="accepted"}', UPLOADS + 3),
        ('calotype_uploads_total{outcome="not-an-image"}', 1),
        ("sum(calotype_source_fetches_total)", 1),
        ('calotype_source_fetches_total{outcome="forbidden-source"}', 1),
        ('calotype_orders_waiting{state="pending"}', 0),
        ("calotype_backlog_age_seconds", 0),
        ("calotype_backlog_render_seconds", 0),
        ("calotype_jetstream_dead_messages", 0),
        ('calotype_jetstream_deliveries_total{turn="again"}', 0),
        ("calotype_outbox_unsent", 0),
    ],
)
def test_orders_are_counted_as_they_ended(watched: Watched, query: str, expected: int) -> None:
    assert watched.prometheus.value(query) == expected


def test_credits_are_counted_as_the_ledger_has_them(watched: Watched) -> None:
    def moved(movement: str) -> float:
        return watched.prometheus.value(f'calotype_credits_total{{movement="{movement}"}}')

    assert moved("reserve") == moved("capture") + moved("refund")
    assert moved("refund") > 0
    assert 10_000 - watched.world.credits() == moved("capture")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('calotype_edge_requests_total{tier="store", status="200"}', 3),
        ('calotype_edge_requests_total{tier="memory", status="200"}', 3 * 4 + 1 + 2),
        ('calotype_edge_requests_total{tier="memory", status="304"}', 1),
        ('calotype_edge_requests_total{tier="render", status="200"}', 1),
        ('calotype_edge_requests_total{tier="none", status="400"}', 1),
        ('calotype_edge_request_seconds_count{tier="memory"}', 3 * 4 + 1 + 2 + 1),
        ("calotype_edge_purges_total", 1),
        ("calotype_edge_purge_delay_seconds_count", 1),
        ("calotype_edge_trusted", 1),
    ],
)
def test_hits_are_counted_by_where_they_came_from(
    watched: Watched, query: str, expected: int
) -> None:
    assert watched.prometheus.value(query) == expected


def test_every_answer_of_the_edge_and_every_byte_is_counted(watched: Watched) -> None:
    asked = sum(count for key, count in watched.answers.items() if key[0] == "edge")
    assert watched.prometheus.value("sum(calotype_edge_requests_total)") == asked
    assert watched.prometheus.value("sum(calotype_edge_bytes_total)") == watched.bodies["edge"]


def test_a_child_that_was_killed_is_counted_once_and_replaced(watched: Watched) -> None:
    ask = watched.prometheus.value
    assert ask('calotype_render_children_lost_total{reason="killed"}') == 1
    assert ask("sum(calotype_render_children)") == (os.cpu_count() or 1)


def test_renders_are_timed_by_stage_and_format(watched: Watched) -> None:
    ask = watched.prometheus.value
    assert ask('calotype_render_seconds_count{stage="decode", format="jpeg"}') > UPLOADS
    assert ask('calotype_render_seconds_count{stage="resize", format="jpeg"}') > UPLOADS
    encoded = ask('sum(calotype_render_seconds_count{stage="encode"})')
    assert ask("sum(calotype_variants_total)") >= encoded > 3 * UPLOADS
    assert ask('calotype_variant_in_bytes_total{format="jpeg"}') >= len(photo()) * UPLOADS
    assert ask("sum(calotype_variant_out_bytes_total)") > 0
    assert ask("calotype_render_queue_seconds_count") > 0


def test_promtool_finds_nothing_to_complain_of(watched: Watched) -> None:
    text = shown(watched.world)
    command = [PROMTOOL or "", "check", "metrics"]
    checked = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_numbers_are_on_no_public_port(watched: Watched) -> None:
    for public in (watched.world.api, watched.world.edge):
        answer = httpx2.get(f"{public}/metrics", trust_env=False)
        assert (answer.status_code in (400, 404), b"calotype_" in answer.content) == (True, False)


def test_a_taken_port_is_refused_when_it_was_asked_for(watched: Watched, tmp_path: Path) -> None:
    port = watched.world.metrics.rpartition(":")[2]
    other = World(tmp_path / "data", CALOTYPE_METRICS_PORT=port)
    with pytest.raises(AssertionError, match="CALOTYPE_METRICS_PORT"):
        other.start()
