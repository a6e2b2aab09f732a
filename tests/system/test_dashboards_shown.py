"""Every query of every dashboard and alert has an answer from a system that works."""

import math
import re
from collections.abc import Iterator

import pytest

from deploy.grafana.pages import DASHBOARDS
from deploy.grafana.panels import LABEL, Dashboard
from tests.prometheus import Prometheus, needs_prometheus, prometheus_server
from tests.system.drawn import photo
from tests.system.world import World, eventually, world
from tests.test_alerts import DEPLOY, alerts

RULES = [DEPLOY / "prometheus/rules.yml", DEPLOY / "prometheus/alerts.yml"]
VARIABLES = {"$__rate_interval": "5m", "$__range": "5m"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """What Prometheus knows of a system in which a little of everything has happened, twice."""
    folder = tmp_path_factory.mktemp("watched") / "data"
    with world(folder) as system, prometheus_server({"up": [system.metrics]}, rules=RULES) as seen:
        seen.scraped()
        for _ in range(2):
            work(system)
            seen.scraped()
        yield seen


def work(system: World) -> None:
    """An upload, conversions, hits, refusals, a deletion and its purge."""
    formats = [{"format": "webp"}, {"format": "avif"}]
    answer = system.upload(photo(), formatOptions=formats, resizeOptions={"width": 200})
    assert answer.status_code == 200, answer.text
    url = answer.json()["simpleData"][0]["variants"]["webp"]
    for asked in (url, url, f"{url}?w=90", f"{url}?w=90"):
        assert system.http.get(asked).status_code == 200
    assert system.http.get(f"{url}?w=x").status_code == 400
    assert system.upload(b"no picture").status_code == 400
    assert system.http.get("/api/v1/images", headers={"Authorization": "no"}).status_code == 401
    image = answer.json()["data"][0]["id"]
    assert system.http.delete(f"/api/v1/images/{image}").status_code == 200
    eventually(lambda: system.http.get(url).status_code == 404, seconds=60)


@needs_prometheus
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_every_panel_of_a_dashboard_shows_something(
    dashboard: Dashboard, watched: Prometheus
) -> None:
    silent = [
        f"{panel.title}: {query.expression}"
        for row in dashboard.rows
        for panel in row.panels
        for query in panel.queries
        if not shown(watched, query.expression)
    ]
    assert silent == []


def shown(prometheus: Prometheus, expression: str) -> bool:
    return any(math.isfinite(one.value) for one in prometheus.query(filled(expression)))


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


@needs_prometheus
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_series_have_the_labels_that_their_names_are_made_of(
    dashboard: Dashboard, watched: Prometheus
) -> None:
    for row in dashboard.rows:
        for panel in row.panels:
            for query in panel.queries:
                named = set(LABEL.findall(query.legend))
                for one in watched.query(filled(query.expression)):
                    assert named & set(one.labels) or not named, query


@needs_prometheus
def test_everything_that_alerts_look_at_is_there(watched: Prometheus) -> None:
    rules = "".join(one.read_text() for one in RULES)
    looked_at = set(re.findall(r"calotype[_:][a-z_:]+\w*(?:\{[^}]*\})?", rules))
    # A 5xx is counted when there is the first; no share and no alert needs it before.
    never = {one for one in looked_at if '"5.."' in one}
    names = {one for one in looked_at - never if not one.endswith("_")}
    assert len(names) > len(alerts())
    assert {one for one in names if not watched.query(one)} == set()


@needs_prometheus
def test_nobody_is_woken_while_all_is_well(watched: Prometheus) -> None:
    firing = watched.query('ALERTS{alertstate="firing",severity="page"}')
    names = {one.labels["alertname"] for one in firing}
    assert names <= {"RoleGone"}  # `calotype up` is one process for all roles
