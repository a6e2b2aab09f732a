"""What Prometheus and Alertmanager are told is understood by them, and about what is there."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli import main
from models.catalogue import METRICS
from models.settings import PREFIX, Settings
from tests.prometheus import PROMTOOL, needs_prometheus
from tests.test_deploy import DEPLOY, ROLES, compose, environment_of

AMTOOL = shutil.which("amtool")
RUNBOOK = DEPLOY / "RUNBOOK.md"
SEVERITIES = {"page", "ticket"}


def loaded(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


@cache
def alerts() -> dict[str, dict[str, Any]]:
    groups = loaded("prometheus/alerts.yml")["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def assert_succeeds(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_prometheus_understands_its_configuration_and_rules() -> None:
    assert_succeeds(PROMTOOL or "", "check", "config", DEPLOY / "prometheus/prometheus.yml")


@needs_prometheus
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    assert_succeeds(PROMTOOL or "", "test", "rules", DEPLOY / "prometheus/alerts_test.yml")


@pytest.mark.skipif(
    AMTOOL is None and not os.environ.get("CI"),
    reason="amtool is not installed: apt-get install prometheus-alertmanager",
)
def test_alertmanager_understands_its_configuration() -> None:
    file = DEPLOY / "alertmanager/alertmanager.yml"
    assert_succeeds(AMTOOL or "", "check-config", file)
    for severity, receiver in (("page", "pages"), ("ticket", "tickets")):
        routed = ("--verify.receivers", receiver, f"severity={severity}")
        assert_succeeds(AMTOOL or "", "config", "routes", "test", "--config.file", file, *routed)


@pytest.mark.parametrize("name", alerts())
def test_every_alert_is_seen_firing_and_silent(name: str) -> None:
    expected = [
        one["exp_alerts"]
        for case in loaded("prometheus/alerts_test.yml")["tests"]
        for one in case["alert_rule_test"]
        if one["alertname"] == name
    ]
    assert [] in expected
    assert any(expected)


@pytest.mark.parametrize("name", alerts())
def test_every_alert_says_how_bad_it_is_and_where_to_read_what_to_do(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in SEVERITIES
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"deploy/RUNBOOK.md#{name.lower()}"


def test_the_runbook_has_a_section_for_every_alert_and_no_other() -> None:
    text = RUNBOOK.read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(alerts())
    for name, section in sections.items():
        for part in ("**What it means.**", "**Look at.**", "**Do.**"):
            assert part in section, (name, part)


def test_the_runbook_speaks_of_settings_metrics_and_commands_that_there_are() -> None:
    text = RUNBOOK.read_text()
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.__struct_fields__}
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", text)) <= settings
    assert unknown_metrics(text) == set()
    for words in set(re.findall(r"\bcalotype ([a-z]+(?: [a-z]+)?)", text)):
        assert words.split()[0] in main.commands


def test_rules_are_about_metrics_that_there_are() -> None:
    for name in ("rules", "alerts", "alerts_test"):
        assert unknown_metrics((DEPLOY / f"prometheus/{name}.yml").read_text()) == set()


def unknown_metrics(text: str) -> set[str]:
    """What looks like a metric of ours and is none."""
    named = set(re.findall(r"\bcalotype_[a-z_]+", text))
    known = {one.name for one in METRICS}
    parts = {f"{one.name}{end}" for one in METRICS for end in ("_bucket", "_count", "_sum")}
    return named - known - parts


def test_inhibitions_are_about_alerts_that_there_are() -> None:
    for rule in loaded("alertmanager/alertmanager.yml")["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, names = re.findall(r'(\w+) =~? "(.*)"', matcher)[0]
            assert label != "alertname" or set(names.split("|")) <= set(alerts())


def test_prometheus_asks_every_role_where_it_answers() -> None:
    asked = {one["job_name"]: one for one in loaded("prometheus/prometheus.yml")["scrape_configs"]}
    for role in ROLES:
        (found,) = asked[role]["dns_sd_configs"]
        assert found["names"] == [role]
        assert str(found["port"]) == environment_of(role)["CALOTYPE_METRICS_PORT"]
        assert environment_of(role)["CALOTYPE_METRICS_HOST"] == "0.0.0.0"
        assert set(compose()["services"][role]["networks"]) & networks("prometheus")


def test_who_watches_reaches_who_is_watched() -> None:
    (alertmanager,) = loaded("prometheus/prometheus.yml")["alerting"]["alertmanagers"]
    assert alertmanager == {"static_configs": [{"targets": ["alertmanager:9093"]}]}
    assert networks("prometheus") & networks("alertmanager")
    for source in loaded("grafana/provisioning/datasources/prometheus.yaml")["datasources"]:
        host, port = re.findall(r"^http://([a-z]+):(\d+)$", source["url"])[0]
        assert networks("grafana") & networks(host)
        assert compose()["services"][host]["healthcheck"]["test"][-1].count(f":{port}/") == 1


def networks(service: str) -> set[str]:
    return set(compose()["services"][service]["networks"])


def test_nothing_that_is_watched_with_is_open_to_everybody() -> None:
    for name in ("prometheus", "alertmanager"):
        assert [one.split(":")[0] for one in compose()["services"][name]["ports"]] == ["127.0.0.1"]
    assert "9100" not in str([one.get("ports") for one in compose()["services"].values()])
    assert "9100" not in "".join(one.read_text() for one in (DEPLOY / "nginx").glob("*.conf"))
