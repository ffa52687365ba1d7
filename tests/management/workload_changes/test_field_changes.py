"""Two states of an object are compared field by field."""

from typing import Any

from management.workload_changes.field_changes import (
    MAX_CHANGES,
    MAX_VALUE_CHARACTERS,
    FieldChange,
    field_changes,
)


def changed(before: Any, after: Any) -> list[FieldChange]:
    return list(field_changes({"spec": before}, {"spec": after}).items)


def test_item_of_a_list_is_found_by_its_name() -> None:
    one, other = {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}
    found = changed([one, other], [one, {**other, "image": "b:2"}])
    assert found == [FieldChange('.spec[name="b"].image', '"b:1"', '"b:2"')]


def test_added_and_removed_fields_have_one_side_only() -> None:
    assert changed({"a": 1}, {"b": [1]}) == [
        FieldChange(".spec.a", "1", None),
        FieldChange(".spec.b", None, "[1]"),
    ]


def test_items_without_names_are_compared_by_position() -> None:
    assert changed([1, 2], [1, 3, 4]) == [
        FieldChange(".spec[1]", "2", "3"),
        FieldChange(".spec[2]", None, "4"),
    ]


def test_new_order_of_items_is_a_change() -> None:
    one, other = {"name": "a"}, {"name": "b"}
    assert [found.field for found in changed([one, other], [other, one])] == [".spec"]


def test_fields_of_the_api_server_are_ignored() -> None:
    before = {"metadata": {"name": "a", "resourceVersion": "1", "managedFields": []}}
    after = {"metadata": {"name": "a", "resourceVersion": "2", "generation": 2}, "status": {"a": 1}}
    assert not field_changes(before, after)


def test_number_and_length_of_changes_are_limited() -> None:
    found = field_changes({}, {f"a{n}": "x" * 10_000 for n in range(MAX_CHANGES + 1)})
    assert (len(found.items), found.more) == (MAX_CHANGES, True)
    assert {len(one.after or "") for one in found.items} == {MAX_VALUE_CHARACTERS + 1}
