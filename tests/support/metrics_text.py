"""Metrics in the text format of Prometheus."""

import re


def metric_of(text: str, line: str) -> float:
    """Return the value of a metric by name and labels, or 0.0."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
