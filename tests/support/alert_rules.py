"""Alerts and dashboards of the tree, and the names of metrics in their expressions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "deploy/chart/files/alerts").glob("*.yaml"))

PROCESS_METRICS = frozenset(
    {
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    }
)
"""Those of prometheus_client that alerts and dashboards may use."""

_NAME = re.compile(r"\b((?:sekisho|process|python|go|node|container|kube)_[a-z_]+)\b")


def rules() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every alert, with its file."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield file, rule


def metrics_in(expression: str) -> set[str]:
    """Return the names of metrics in an expression; a histogram's without its suffix."""
    without_labels = re.sub(r"\{[^}]*\}|(?:by|on|without|ignoring) \([^)]*\)", "", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in _NAME.findall(without_labels)}
