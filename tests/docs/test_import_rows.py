"""CONTRIBUTING.md shows the import rows that import-linter enforces."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
LAYERS = {
    one["containers"][0] if "containers" in one else "": one["layers"]
    for one in CONTRACTS
    if one["type"] == "layers"
}


def shown() -> Iterator[tuple[str, list[str]]]:
    """Yield each package that the page shows with its rows, from the top."""
    top, inner = re.findall(r"^```\n((?:proxy|management) .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    yield "", [re.split(r"\s{3,}", line)[0] for line in top.splitlines()]
    for part in inner.split("\n\n"):
        package, first = part.split(maxsplit=1)[0], part.split(maxsplit=1)[1]
        yield package, [line.strip() for line in first.splitlines()]


SHOWN = dict(shown())


@pytest.mark.parametrize("package", ["", "proxy", "management", "providers"])
def test_rows_in_contributing_are_those_of_the_contract(package: str) -> None:
    assert SHOWN[package] == LAYERS[package]
