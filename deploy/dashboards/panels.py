"""Panels and dashboards of Grafana as dictionaries. Pure.

A panel is a title, its queries with their legends, and a unit. Panels flow in rows of 24 columns.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
SCHEMA = 39
"""The version of Grafana's schema, which Grafana 10.4 and later read."""


@dataclass(frozen=True)
class Panel:
    """One panel. ``kind`` is timeseries, stat, or table; ``queries`` are legends by expression.

    ``text`` says how to read it. ``width`` is in columns of 24, ``height`` in Grafana's units.
    """

    title: str
    queries: Mapping[str, str]
    text: str
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    red_from: float | None = None
    """A stat is red from this value on; below ``green_from``, if that is given instead."""
    green_from: float | None = None

    def to_grafana(self, number: int, x: int, y: int) -> dict[str, Any]:
        """Return the panel at a place."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.text,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": SOURCE,
                    "expr": expression,
                    "legendFormat": legend,
                    "instant": self.kind != "timeseries",
                    "format": "table" if self.kind == "table" else "time_series",
                }
                for index, (expression, legend) in enumerate(self.queries.items())
            ],
        }

    def _defaults(self) -> dict[str, Any]:
        steps = [{"color": "green", "value": None}]
        if self.red_from is not None:
            steps.append({"color": "red", "value": self.red_from})
        if self.green_from is not None:
            steps = [
                {"color": "red", "value": None},
                {"color": "green", "value": self.green_from},
            ]
        custom = {"fillOpacity": 10, "showPoints": "never"} if self.kind == "timeseries" else {}
        thresholds = {"mode": "absolute", "steps": steps}
        return {"unit": self.unit, "min": 0, "thresholds": thresholds, "custom": custom}

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        if self.kind == "stat":
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
        return {}


def stat(title: str, query: str, text: str, **values: Any) -> Panel:
    """Return a panel with one number."""
    return Panel(title, {query: ""}, text, kind="stat", width=4, height=4, **values)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard. ``variables`` are names of labels and the metric that has their values."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: Mapping[str, str]

    def to_grafana(self) -> dict[str, Any]:
        """Return the dashboard as Grafana imports it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["sekisho"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": True,
            "timezone": "",
            "refresh": "1m",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [_source(), *map(_variable, self.variables.items())]},
            "annotations": {"list": []},
            "links": [
                {
                    "type": "dashboards",
                    "title": "Sekisho",
                    "tags": ["sekisho"],
                    "asDropdown": True,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "panels": list(_placed(self.panels)),
        }


def _placed(panels: Iterable[Panel]) -> Iterable[dict[str, Any]]:
    """Yield the panels in rows, each as high as its highest panel."""
    numbers = itertools.count(1)
    x = y = height = 0
    for one in panels:
        if x + one.width > WIDTH:
            x, y, height = 0, y + height, 0
        yield one.to_grafana(next(numbers), x, y)
        x, height = x + one.width, max(height, one.height)


def _source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }


def _variable(variable: tuple[str, str]) -> dict[str, Any]:
    name, metric = variable
    query = f"label_values({metric}, {name})"
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "variable"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
