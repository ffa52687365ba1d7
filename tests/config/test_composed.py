"""Tests of the normalization of names."""

import ast
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.composed import MOST_CHARACTERS, composed, counted_name, folded_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")


@pytest.mark.parametrize("other", ["zoe\u0308", "ZOE\u0308", "ZO\u00cb", "\uff3ao\u00eb"])
def test_folded_name_of_all_spellings_is_equal(other: str) -> None:
    assert folded_name(other) == folded_name("zo\u00eb") == "zo\u00eb"


@given(st.text(max_size=50))
def test_folded_name_is_idempotent(text: str) -> None:
    assert folded_name(folded_name(text)) == folded_name(text)


@pytest.mark.parametrize("other", ["a\u00adlice", "\u200balice\ufeff", " alice\t", "al\u2060ice"])
def test_counted_name_ignores_invisible_characters(other: str) -> None:
    assert counted_name(other) == "alice"
    assert counted_name("a  \u00a0 b") == counted_name("a b")


def test_composed_of_long_text_raises_and_counted_name_truncates() -> None:
    long = "a" + "\u0315" * 16_000 + "\u0316" * 16_000
    for refusing in (composed, folded_name):
        with pytest.raises(ValueError, match="1024 characters"):
            refusing(long)
    began = time.process_time()
    assert counted_name(long) == counted_name(long[:MOST_CHARACTERS])
    assert time.process_time() - began < 1


def test_only_composed_normalizes_text() -> None:
    """Normalising is quadratic, so every call goes through the one place that bounds its length."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"normalize", "is_normalized"}
        if isinstance(node.value, ast.Name) and node.value.id == "unicodedata"
    ]
    assert {one.partition(":")[0] for one in found} == {"config/composed.py"}
