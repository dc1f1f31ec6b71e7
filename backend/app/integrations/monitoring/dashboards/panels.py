"""Panels and dashboards as Grafana reads them. Nothing here knows what is shown.

No data source is named: each dashboard has a variable for it. Sizes are in Grafana's grid, 24 columns wide.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

Json = dict[str, Any]
Kind = Literal["timeseries", "stat", "gauge", "bargauge", "table", "state-timeline", "heatmap"]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "llm-platform"
_HEIGHTS = {"stat": 4}
_COLOURS = ("green", "yellow", "red")

Step = tuple[float, str]


class Query(msgspec.Struct, frozen=True):
    """`legend`: what a series is called, with `{{label}}` for the value of a label."""

    expr: str
    legend: str = ""


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """`limits`: where the value turns yellow, then red. `falling`: it is low values that are bad. `names`: what a
    value is called. `columns`: what is left of a table's, with their titles; `Value` is the value.
    """

    title: str
    about: str
    unit: str
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    width: int = 8
    limits: Sequence[float] = ()
    falling: bool = False
    top: float | None = None
    stacked: bool = False
    names: Sequence[tuple[float, str, str]] = ()
    columns: Sequence[tuple[str, str]] = ()

    @property
    def height(self) -> int:
        return _HEIGHTS.get(self.kind, 8)


class Row(msgspec.Struct, frozen=True):
    title: str
    panels: Sequence[Panel]


class Variable(msgspec.Struct, frozen=True):
    """Its values are those of a label of a metric."""

    name: str
    title: str
    metric: str
    label: str


def dashboard(uid: str, title: str, about: str, variables: Iterable[Variable], rows: Iterable[Row]) -> Json:
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": [TAG],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": []},
        "templating": {"list": [_SOURCES, *map(_variable, variables)]},
        "links": [_OTHERS],
        "panels": list(_placed(rows)),
    }


_SOURCES: Json = {
    "type": "datasource",
    "name": "datasource",
    "label": "Data source",
    "query": "prometheus",
    "refresh": 1,
    "hide": 0,
    "multi": False,
    "includeAll": False,
    "options": [],
}

_OTHERS: Json = {
    "type": "dashboards",
    "title": "LLM Platform",
    "tags": [TAG],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
    "icon": "external link",
    "tooltip": "",
    "url": "",
}


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.metric}, {variable.label})"
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.title,
        "datasource": SOURCE,
        "query": {"query": query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def _placed(rows: Iterable[Row]) -> Iterable[Json]:
    """From left to right, in lines as high as their highest panel."""
    y = number = 0
    for row in rows:
        number += 1
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        yield {"type": "row", "id": number, "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        y, x, line = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > 24:
                y, x, line = y + line, 0, 0
            number += 1
            yield _panel(panel, number, {"h": panel.height, "w": panel.width, "x": x, "y": y})
            x, line = x + panel.width, max(line, panel.height)
        y += line


def _panel(panel: Panel, number: int, place: Json) -> Json:
    found: Json = {
        "type": panel.kind,
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [_target(panel, query, index) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }
    if panel.kind == "table":
        found["transformations"] = [_organised(panel.columns)]
    return found


def _target(panel: Panel, query: Query, index: int) -> Json:
    at_once = panel.kind in {"stat", "gauge", "bargauge", "table"}
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": not at_once,
        "instant": at_once,
        **({"format": "table"} if panel.kind == "table" else {}),
        **({"format": "heatmap"} if panel.kind == "heatmap" else {}),
    }


def _defaults(panel: Panel) -> Json:
    found: Json = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": _steps(panel)},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "mappings": [{"type": "value", "options": _mapped(panel)}] if panel.names else [],
        "custom": _custom(panel),
    }
    return found if panel.top is None else {**found, "max": panel.top}


def _steps(panel: Panel) -> list[Json]:
    colours = list(reversed(_COLOURS) if panel.falling else _COLOURS)
    if len(panel.limits) == 1:
        del colours[1]
    return [
        {"color": colour, "value": value} for colour, value in zip(colours, (None, *panel.limits), strict=False)
    ]


def _mapped(panel: Panel) -> Json:
    return {
        f"{value:g}": {"text": text, "color": colour, "index": index}
        for index, (value, text, colour) in enumerate(panel.names)
    }


def _custom(panel: Panel) -> Json:
    if panel.kind == "timeseries":
        return {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
        }
    return {"fillOpacity": 70, "lineWidth": 0} if panel.kind == "state-timeline" else {}


def _organised(columns: Sequence[tuple[str, str]]) -> Json:
    names = dict(columns)
    return {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True},
            "includeByName": dict.fromkeys(names, True),
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": names,
        },
    }


_REDUCED: Json = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
_LEGEND: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}

_OPTIONS: dict[str, Json] = {
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {**_REDUCED, "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "textMode": "auto"},
    "gauge": {**_REDUCED, "showThresholdLabels": False, "showThresholdMarkers": True},
    "bargauge": {**_REDUCED, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True},
    "table": {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": {"showValue": "auto", "mergeValues": True, "alignValue": "left", "legend": _LEGEND},
    "heatmap": {"calculate": False, "yAxis": {"unit": "s"}, "cellGap": 1},
}
