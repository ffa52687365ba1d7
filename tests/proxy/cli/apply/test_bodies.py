"""Tests of the bodies of requests."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from management.http.merge_patch import merge
from proxy.cli.apply.bodies import patch_of
from proxy.cli.merge_patch import merge_patch

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_merge_patch_turns_one_object_into_another(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert merge(before, merge_patch(before, after)) == after


@given(OBJECTS, OBJECTS)
def test_patch_of_equal_fields_is_empty(item: dict[str, Any], other: dict[str, Any]) -> None:
    assert patch_of({**other, **item}, item) == {}


def test_patch_removes_keys_of_fields_and_leaves_other_fields() -> None:
    item = {"quota": {"pods": "1", "cpu": "2"}, "name": "x", "labels": {"a": "b"}}
    assert patch_of(item, {"quota": {"pods": "3"}, "labels": {}}) == {
        "quota": {"pods": "3", "cpu": None},
        "labels": {"a": None},
    }
