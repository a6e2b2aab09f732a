"""All dashboards as Grafana reads them. `python -m deploy.grafana.pages` writes them anew."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.grafana.accounts import ACCOUNTS
from deploy.grafana.edge import EDGE
from deploy.grafana.overview import OVERVIEW
from deploy.grafana.panels import COLUMNS, GREEN, Dashboard, Panel, colours
from deploy.grafana.pipeline import PIPELINE
from deploy.grafana.storage import STORAGE

DASHBOARDS = (OVERVIEW, PIPELINE, EDGE, STORAGE, ACCOUNTS)
FOLDER = Path(__file__).with_name("dashboards")

Json = dict[str, Any]

_SOURCE: Json = {"type": "prometheus", "uid": "prometheus"}
_TYPES = {"lines": "timeseries", "stack": "timeseries", "stat": "stat", "bars": "bargauge"}
_TITLE_HEIGHT = 1


def page(dashboard: Dashboard) -> Json:
    """What Grafana reads of one dashboard."""
    return {
        "uid": f"calotype-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["calotype"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "graphTooltip": 1,
        "templating": {"list": []},
        "annotations": {"list": [_alerts()]},
        "links": [_siblings()],
        "panels": list(_panels(dashboard)),
    }


def _panels(dashboard: Dashboard) -> Iterator[Json]:
    """Rows from top to bottom, panels from left to right."""
    top, number = 0, 0
    for row in dashboard.rows:
        number += 1
        yield _title(number, row.title, top)
        top, left = top + _TITLE_HEIGHT, 0
        for panel in row.panels:
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": row.height}
            yield {"id": number, "gridPos": place} | _panel(panel)
            left += panel.width
        top += row.height


def _title(number: int, title: str, top: int) -> Json:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": _TITLE_HEIGHT}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _panel(panel: Panel) -> Json:
    return {
        "type": _TYPES[panel.kind],
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "range": panel.kind != "bars",
                "instant": panel.kind == "bars",
            }
            for number, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
    }


def _field(panel: Panel) -> Json:
    """Units, bounds and colours of all series of a panel."""
    steps = panel.steps or ((0, GREEN),)
    first, *rest = steps
    field: Json = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if _drawn(panel) else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [
                {"color": first[1], "value": None},
                *({"color": colour, "value": bound} for bound, colour in rest),
            ],
        },
    }
    if not panel.powers:
        field["min"] = 0
    if panel.highest is not None:
        field["max"] = panel.highest
    if panel.digits is not None:
        field["decimals"] = panel.digits
    if _drawn(panel):
        field["custom"] = _strokes(panel)
    return field


def _drawn(panel: Panel) -> bool:
    return panel.kind in {"lines", "stack"}


def _strokes(panel: Panel) -> Json:
    stacked = panel.kind == "stack"
    return {
        "drawStyle": "line",
        "lineInterpolation": "smooth",
        "lineWidth": 1 if stacked else 2,
        "fillOpacity": 45 if stacked else 8,
        "gradientMode": "none" if stacked else "opacity",
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
        "scaleDistribution": {"type": "log", "log": 10} if panel.powers else {"type": "linear"},
    }


def _overrides(panel: Panel) -> Iterator[Json]:
    """The same colour for the same name."""
    if not _drawn(panel):
        return
    for name, colour in colours(panel).items():
        yield {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }


def _options(panel: Panel) -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "stat":
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "area"}
        case "bars":
            return {
                "reduceOptions": reduced,
                "orientation": "horizontal",
                "displayMode": "basic",
                "showUnfilled": True,
            }
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _siblings() -> Json:
    return {
        "type": "dashboards",
        "title": "Calotype",
        "tags": ["calotype"],
        "asDropdown": False,
        "keepTime": True,
        "includeVars": False,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _alerts() -> Json:
    """When alerts fired, as marks on every picture."""
    return {
        "name": "Alerts",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing",severity="page"}',
        "titleFormat": "{{alertname}}",
        "step": "60s",
    }


def written(dashboard: Dashboard) -> str:
    """Its file's content."""
    return json.dumps(page(dashboard), indent=1) + "\n"


if __name__ == "__main__":
    for one in DASHBOARDS:
        (FOLDER / f"{one.name}.json").write_text(written(one))
