"""Claims by path, and conditions on them: laws, and examples."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.claims import MISSING, claim, holds, matches, text_claim

TEXTS = st.text(alphabet="ab/*", max_size=12)


def by_expression(text: str, glob: str) -> bool:
    """The same by a regular expression: right, but slow for texts that somebody made for it."""
    parts = re.split(r"(\*+)", glob)
    made = "".join(
        "[^/]*" if part == "*" else ".*" if part.startswith("*") else re.escape(part)
        for part in parts
    )
    return re.fullmatch(made, text, re.DOTALL) is not None


@given(TEXTS, TEXTS)
def test_a_glob_means_what_its_expression_does(text: str, glob: str) -> None:
    assert matches(text, glob) == by_expression(text, glob)


@given(st.text(max_size=50))
def test_text_without_stars_matches_itself_alone(text: str) -> None:
    glob = text.replace("*", "")
    assert matches(glob, glob)
    assert not matches(glob + "x", glob)


def test_no_text_takes_long() -> None:
    started = time.process_time()
    assert not matches("a" * 8000, "**a" * 20 + "b")
    assert not matches("a" * 8000, "*a" * 20 + "b")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("path", "found"),
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
def test_paths_lead_into_objects_but_a_whole_name_comes_first(path: str, found: Any) -> None:
    claims = {
        "sub": "1",
        "realm_access": {"roles": ["x"]},
        "https://acme.example/groups": ["y"],
        "a.b": "whole",
        "a": {"b": "parts"},
    }
    assert claim(claims, path) == found


@pytest.mark.parametrize(
    ("value", "wanted", "met"),
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
def test_conditions_are_met_by_value_and_type(value: Any, wanted: Any, met: bool) -> None:
    assert holds({"claim": value}, "claim", wanted) is met


def test_a_claim_that_isnt_there_meets_nothing() -> None:
    assert not holds({}, "claim", "**")


def test_numbers_are_names_but_truth_isnt() -> None:
    assert text_claim({"id": 42}, "id") == "42"
    assert text_claim({"id": True}, "id") == ""
    assert text_claim({"id": ["x"]}, "id") == ""
