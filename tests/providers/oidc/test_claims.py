"""Tests of claims by path, and of conditions on claims."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.jwt.claims import MISSING, claim, matches, matches_condition, text_claim

TEXTS = st.text(alphabet="ab/*", max_size=12)


def matches_expression(text: str, glob: str) -> bool:
    """Match with a regular expression: correct, but slow for texts crafted by an attacker."""
    parts = re.split(r"(\*+)", glob)
    pattern = "".join(
        "[^/]*" if part == "*" else ".*" if part.startswith("*") else re.escape(part)
        for part in parts
    )
    return re.fullmatch(pattern, text, re.DOTALL) is not None


@given(TEXTS, TEXTS)
def test_glob_matches_like_its_regular_expression(text: str, glob: str) -> None:
    assert matches(text, glob) == matches_expression(text, glob)


@given(st.text(max_size=50))
def test_glob_without_stars_matches_only_itself(text: str) -> None:
    glob = text.replace("*", "")
    assert matches(glob, glob)
    assert not matches(glob + "x", glob)


def test_matching_time_is_bounded() -> None:
    started = time.process_time()
    assert not matches("a" * 8000, "**a" * 20 + "b")
    assert not matches("a" * 8000, "*a" * 20 + "b")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sub", "1"),
        ("realm_access.roles", ["x"]),
        ("https://acme.example/groups", ["y"]),
        ("a.b", "whole"),
        ("realm_access.nothing", MISSING),
        ("sub.more", MISSING),
        ("", MISSING),
    ],
)
def test_claim_path_prefers_full_name_over_nested_object(path: str, expected: Any) -> None:
    claims = {
        "sub": "1",
        "realm_access": {"roles": ["x"]},
        "https://acme.example/groups": ["y"],
        "a.b": "whole",
        "a": {"b": "parts"},
    }
    assert claim(claims, path) == expected


@pytest.mark.parametrize(
    ("value", "condition", "expected"),
    [
        ("acme/app", "acme/*", True),
        ("acme/app/x", "acme/*", False),
        ("acme/app/x", "acme/**", True),
        ("evil-acme/app", "acme/*", False),
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main\n", "refs/heads/main", False),
        ("REFS/heads/main", "refs/heads/main", False),
        (True, True, True),
        ("true", True, False),
        (1, True, False),
        (1, "1", False),
        (7, 7, True),
        (["a", "b"], "b", True),
        ([], "b", False),
        (None, "b", False),
        ({"a": 1}, "*", False),
        ("b", ("a", "b"), True),
        ("c", ("a", "b"), False),
    ],
)
def test_condition_matches_value_and_type(value: Any, condition: Any, expected: bool) -> None:
    assert matches_condition({"claim": value}, "claim", condition) is expected


def test_condition_on_missing_claim_does_not_match() -> None:
    assert not matches_condition({}, "claim", "**")


def test_text_claim_accepts_numbers_but_no_booleans() -> None:
    assert text_claim({"id": 42}, "id") == "42"
    assert text_claim({"id": True}, "id") == ""
    assert text_claim({"id": ["x"]}, "id") == ""
