"""docs/api.md has a row for every endpoint."""

import re
from pathlib import Path

import pytest

from management.api.v1.route_table import TABLE, Endpoint

PAGE = (Path(__file__).parents[2] / "docs/api.md").read_text()
ROWS = [line.partition(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `")]


def pattern(endpoint: Endpoint) -> str:
    """Return a pattern of the endpoint as a row writes it: methods, then the path."""
    path = re.sub(r"\\{[^}]*\\}", r"<\\w+>", re.escape(endpoint.path))
    return rf"`{endpoint.method}(?:`, `[A-Z]+)* {path}(?:\?[^`]*)?`"


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda one: f"{one.method} {one.path}")
def test_endpoint_has_a_row(endpoint: Endpoint) -> None:
    assert [row for row in ROWS if re.search(pattern(endpoint), row)]
