"""The known state of an object when lists, events and write responses arrive in any order."""

from typing import Any

import pytest

from management.controllers.informer_store import MAX_TOMBSTONES, InformerStore
from management.kubernetes.validation import is_newer


def thing(version: int | str, subject: str = "", *, uid: str = "1", name: str = "a") -> Any:
    return {
        "metadata": {"name": name, "uid": uid, "resourceVersion": str(version)},
        "subject": subject,
    }


def take(known: InformerStore, how: str, item: Any) -> None:
    getattr(known, how)(item, item["subject"], 10)


def subjects(known: InformerStore) -> list[str]:
    return list(known.items.values())


def test_late_response_to_a_write_does_not_hide_a_newer_write() -> None:
    """Otherwise a foreign subject stays bound, and the cluster counts as in sync."""
    known = InformerStore()
    take(known, "listed", thing(1, "ours"))
    take(known, "watched", thing(3, "foreign"))
    take(known, "written", thing(2, "ours"))
    assert subjects(known) == ["foreign"]


def test_response_to_a_write_is_known_before_its_event() -> None:
    known = InformerStore()
    take(known, "listed", thing(1, "before"))
    take(known, "written", thing(2, "after"))
    assert subjects(known) == ["after"]
    assert not known.watched(thing(1, "before"), "before", 10)
    assert subjects(known) == ["after"]


@pytest.mark.parametrize("order", [("watched", "written"), ("written", "watched")])
def test_order_of_a_write_and_its_event_does_not_matter(order: tuple[str, str]) -> None:
    known = InformerStore()
    for how in order:
        take(known, how, thing(2, "ours"))
    assert subjects(known) == ["ours"]


def test_response_to_an_older_write_does_not_restore_a_deleted_object() -> None:
    known = InformerStore()
    take(known, "watched", thing(2, "ours"))
    assert known.gone(thing(3))
    take(known, "written", thing(2, "ours"))
    assert subjects(known) == []


def test_object_created_again_after_deletion_is_known() -> None:
    known = InformerStore()
    take(known, "listed", thing(1))
    assert known.gone(thing(2))
    take(known, "written", thing(3, "again", uid="2"))
    assert subjects(known) == ["again"]
    assert not known.gone(thing(2))  # It arrives late.
    assert subjects(known) == ["again"]


def test_response_to_a_deletion_does_not_hide_another_object_with_that_name() -> None:
    known = InformerStore()
    take(known, "listed", thing(1, "ours"))
    known.gone(thing(2))
    take(known, "watched", thing(3, "foreign", uid="2"))
    known.deleted(thing(1, uid="1"))
    assert subjects(known) == ["foreign"]


def test_response_to_a_deletion_does_not_hide_an_object_with_a_finalizer() -> None:
    known = InformerStore()
    take(known, "listed", thing(1, "ours"))
    take(known, "watched", thing(2, "going"))
    known.deleted(thing(1))
    assert subjects(known) == ["going"]


def test_object_with_a_finalizer_is_known_again_after_its_event() -> None:
    known = InformerStore()
    take(known, "listed", thing(1, "ours"))
    known.deleted(thing(1))
    assert subjects(known) == []
    take(known, "watched", thing(2, "going"))
    assert subjects(known) == ["going"]


def test_incomparable_versions_keep_the_state_of_the_watch() -> None:
    known = InformerStore()
    take(known, "listed", thing("opaque-1", "a"))
    take(known, "written", thing("opaque-2", "b"))
    assert subjects(known) == ["a"]
    take(known, "watched", thing("opaque-0", "c"))
    assert subjects(known) == ["c"]


def test_write_during_a_list_is_newer_than_the_list() -> None:
    known, fresh = InformerStore(), InformerStore()
    take(known, "listed", thing(1, "before"))
    take(known, "listed", thing(1, "gone", name="b"))
    known.remember_writes()
    take(known, "written", thing(9, "after"))
    known.deleted(thing(1, name="b"))
    take(fresh, "listed", thing(1, "before"))
    take(fresh, "listed", thing(1, "gone", name="b"))
    fresh.keep_writes(known, "5")
    # The deletion has no resource version, so the list, which still has the object, is used.
    assert sorted(subjects(fresh)) == ["after", "gone"]


def test_list_that_is_newer_than_a_write_wins() -> None:
    known, fresh = InformerStore(), InformerStore()
    known.remember_writes()
    take(known, "written", thing(4, "ours"))
    take(fresh, "listed", thing(5, "foreign"))
    fresh.keep_writes(known, "5")
    assert subjects(fresh) == ["foreign"]


def test_tombstones_are_bounded() -> None:
    known = InformerStore()
    for n in range(MAX_TOMBSTONES + 100):
        known.gone(thing(n + 1, name=f"n{n}"))
    assert len(known._tombstones) == MAX_TOMBSTONES


def test_objects_over_the_limit_are_dropped_by_rank() -> None:
    known = InformerStore(max_items=10, rank=int)
    for n in range(100):
        # The newest objects do not arrive last.
        item = thing(n + 1, str((n * 37) % 100), name=f"n{n}")
        take(known, "listed", item)
    assert len(known.items) <= 20
    assert {str(n) for n in range(90, 100)} <= set(known.items.values())
    assert known.weight == 10 * len(known.items)


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        ("10", "9", True),
        ("9", "10", False),
        ("9", "9", False),
        ("9" * 5000, "1", True),
        ("", "1", None),
        ("1", "", None),
        ("01", "1", None),
        ("1a", "1", None),
        ("-1", "1", None),
        ("١", "1", None),
    ],
)
def test_only_comparable_versions_are_compared(one: str, other: str, newer: bool | None) -> None:
    assert is_newer(one, other) is newer
