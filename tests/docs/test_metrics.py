"""docs/operations.md describes every metric, and the docs name no other."""

import re
from pathlib import Path

from proxy.monitoring import state_collector

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
METRIC = r"\bsekisho_[a-z][a-z_]*[a-z]\b(?!-)"
"""A hyphen follows the name in that of a wheel's file."""


def metrics() -> set[str]:
    """Return the names of all metrics as a scrape shows them."""
    names: set[str] = set()
    for file in (ROOT / "proxy").rglob("*.py"):
        for before, name in re.findall(r'(\w*)\(?\s*"(sekisho_\w+)"', file.read_text()):
            is_counter = before == "CounterMetricFamily"
            names.add(f"{name}_total" if is_counter else name)
    return names | {f"sekisho_controller_{name}_total" for name in state_collector._FAULTS}


def test_operations_describes_every_metric() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    named = set(re.findall(METRIC, page.partition("## Metrics")[2].partition("\n## ")[0]))
    assert metrics() - named == set()


def test_docs_name_no_metric_that_does_not_exist() -> None:
    known = metrics()
    named = {name for page in PAGES for name in re.findall(METRIC, page.read_text())}
    assert {
        name for name in named if re.sub(r"_(sum|count|bucket)$", "", name) not in known
    } == set()
