"""The dashboards are what their tables say, and what Grafana takes."""

import itertools
import json
import re
from typing import Any

import pytest

from deploy.grafana.pages import DASHBOARDS, FOLDER, written
from deploy.grafana.panels import COLUMNS, Dashboard, Panel
from models.catalogue import METRICS
from tests.test_alerts import loaded, unknown_metrics
from tests.test_deploy import compose

BY_NAME = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)


def panels(dashboard: Dashboard) -> list[Panel]:
    return [panel for row in dashboard.rows for panel in row.panels]


def page(dashboard: Dashboard) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{dashboard.name}.json").read_text())
    return found


@BY_NAME
def test_the_file_that_grafana_reads_is_what_the_tables_make(dashboard: Dashboard) -> None:
    # Otherwise: .venv/bin/python -m deploy.grafana.pages
    assert (FOLDER / f"{dashboard.name}.json").read_text() == written(dashboard)


def test_there_are_five_dashboards_and_no_file_besides() -> None:
    titles = [one.title for one in DASHBOARDS]
    assert titles == [
        "Overview",
        "Pipeline",
        "Edge",
        "Storage and database",
        "Accounts and credits",
    ]
    assert {one.name for one in FOLDER.iterdir()} == {f"{one.name}.json" for one in DASHBOARDS}
    assert len({page(one)["uid"] for one in DASHBOARDS}) == len(DASHBOARDS)


@BY_NAME
def test_every_panel_has_a_title_a_unit_and_says_what_it_shows(dashboard: Dashboard) -> None:
    for one in page(dashboard)["panels"]:
        assert one["title"]
        if one["type"] != "row":
            assert one["description"].endswith(".")
            assert one["fieldConfig"]["defaults"]["unit"]
            assert all(target["legendFormat"] for target in one["targets"])
            assert len({target["refId"] for target in one["targets"]}) == len(one["targets"])


@BY_NAME
def test_panels_ask_the_source_that_is_provisioned(dashboard: Dashboard) -> None:
    (source,) = [
        one
        for one in loaded("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
        if one["type"] == "prometheus"
    ]
    wanted = {"type": "prometheus", "uid": source["uid"]}
    for one in page(dashboard)["panels"]:
        if one["type"] != "row":
            assert one["datasource"] == wanted
            assert all(target["datasource"] == wanted for target in one["targets"])


@BY_NAME
def test_no_panel_covers_another_or_leaves_the_page(dashboard: Dashboard) -> None:
    shown = page(dashboard)["panels"]
    assert len({one["id"] for one in shown}) == len(shown)
    cells = list(itertools.chain.from_iterable(map(covered, shown)))
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < COLUMNS
    # Nothing is left free either: rows are full.
    assert len(cells) == COLUMNS * (1 + max(line for _, line in cells))


def covered(panel: dict[str, Any]) -> list[tuple[int, int]]:
    place = panel["gridPos"]
    columns = range(place["x"], place["x"] + place["w"])
    lines = range(place["y"], place["y"] + place["h"])
    return list(itertools.product(columns, lines))


@BY_NAME
def test_bounds_rise_and_the_first_is_the_lowest(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        bounds = [bound for bound, _ in panel.steps]
        assert bounds == sorted(set(bounds))
        assert bounds[:1] in ([], [0])


@BY_NAME
def test_queries_are_about_metrics_and_labels_that_there_are(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        for query in panel.queries:
            assert unknown_metrics(query.expression) == set()
            assert labels(query.expression) <= known_labels(), panel.title


def labels(expression: str) -> set[str]:
    """What a query groups by or selects."""
    groups = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
    selected = re.findall(r"[{,](\w+)(?:=|!=|=~|!~)\"", expression)
    return {name.strip() for group in groups for name in group.split(",")} - {""} | set(selected)


def known_labels() -> set[str]:
    ours = {label for metric in METRICS for label in metric.labels}
    return ours | {"le", "job", "instance", "class", "alertstate"}


def test_grafana_finds_the_dashboards_where_compose_puts_them() -> None:
    (provider,) = loaded("grafana/provisioning/dashboards/calotype.yaml")["providers"]
    mounted = compose()["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounted
    home = compose()["services"]["grafana"]["environment"][
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"
    ]
    assert home == f"{provider['options']['path']}/overview.json"
