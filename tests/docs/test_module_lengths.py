"""Modules stay short: one with more than 300 lines says in its docstring why."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "agent",
    "bench",
    "config",
    "impersonation",
    "management",
    "providers",
    "proxy",
    "store",
]
MAX_LINES = 300


def long_modules(*packages: str) -> list[str]:
    return [
        file.relative_to(ROOT).as_posix()
        for package in packages
        for file in sorted((ROOT / package).rglob("*.py"))
        if len(file.read_text().splitlines()) > MAX_LINES
    ]


def gives_a_reason(module: str) -> bool:
    return "300 lines" in (ast.get_docstring(ast.parse((ROOT / module).read_text())) or "")


@pytest.mark.parametrize("module", long_modules(*PACKAGES, "tests"))
def test_module_of_more_than_300_lines_gives_a_reason(module: str) -> None:
    assert gives_a_reason(module)
