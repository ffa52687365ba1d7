"""JSON merge patch: the test cases of RFC 7396, appendix A, for objects."""

from typing import Any

import pytest

from management.http.merge_patch import merge


@pytest.mark.parametrize(
    ("old", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_follows_the_examples_of_the_rfc(
    old: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merge(old, patch) == expected


def test_merge_leaves_its_arguments_unchanged() -> None:
    old, patch = {"a": {"b": 1}}, {"a": {"c": 2}}
    merge(old, patch)
    assert (old, patch) == ({"a": {"b": 1}}, {"a": {"c": 2}})
