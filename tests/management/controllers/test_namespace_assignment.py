"""Plans for namespaces whose label and record differ."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.controllers.namespace_assignment import (
    ForgetNamespace,
    LiveNamespace,
    RecordNamespace,
    RelabelNamespace,
    Step,
    plan,
)
from store.access_records import ProjectNamespace

PROJECTS = ("p-a", "p-b")


def stored(project: str | None, agreed: str | None, uid: str = "1") -> ProjectNamespace:
    return ProjectNamespace("c-1", "web", uid, project, agreed)


def decide(
    label: str | None, mine: ProjectNamespace | None, *, labels_trusted: bool = True, uid: str = "1"
) -> list[Step]:
    live = {"web": LiveNamespace("web", uid, label)}
    return plan("c-1", live, [mine] if mine else [], PROJECTS, labels_trusted=labels_trusted)


def test_plan_with_equal_label_and_record_is_empty() -> None:
    assert decide("p-a", stored("p-a", "p-a")) == []
    assert decide(None, None) == []


def test_trusted_label_is_stored() -> None:
    assert decide("p-a", None) == [RecordNamespace(stored("p-a", "p-a"))]
    assert decide("p-b", stored("p-a", "p-a")) == [RecordNamespace(stored("p-b", "p-b"))]
    assert decide(None, stored("p-a", "p-a")) == [ForgetNamespace(stored("p-a", "p-a"))]


def test_untrusted_label_is_repaired() -> None:
    assert decide("p-a", None, labels_trusted=False) == [RelabelNamespace("web", "1", None)]
    for label in ("p-b", None):
        first, second = decide(label, stored("p-a", "p-a"), labels_trusted=False)
        assert first == RelabelNamespace("web", "1", "p-a")
        assert second == RecordNamespace(stored("p-a", "p-a"))


def test_label_of_an_unknown_project_is_repaired() -> None:
    for labels_trusted in (True, False):
        # Without a record, the label may belong to another Sekisho installation. It grants nothing.
        assert decide("p-none", None, labels_trusted=labels_trusted) == []
        first, _ = decide("p-none", stored("p-a", "p-a"), labels_trusted=labels_trusted)
        assert first == RelabelNamespace("web", "1", "p-a")


def test_stored_move_changes_the_label() -> None:
    """A move through the API was interrupted half-way."""
    first, second = decide("p-a", stored("p-b", "p-a"))
    assert (first, second) == (
        RelabelNamespace("web", "1", "p-b"),
        RecordNamespace(stored("p-b", "p-b")),
    )
    first, _ = decide("p-a", stored(None, "p-a"))
    assert first == RelabelNamespace("web", "1", None)


def test_stored_move_precedes_a_changed_label() -> None:
    first, _ = decide(None, stored("p-b", "p-a"))
    assert first == RelabelNamespace("web", "1", "p-b")


def test_new_namespace_with_the_same_name_has_no_project() -> None:
    old = stored("p-a", "p-a", uid="0")
    assert decide(None, old) == [ForgetNamespace(old)]
    assert decide("p-b", old) == [ForgetNamespace(old), RecordNamespace(stored("p-b", "p-b"))]


def test_deleted_namespace_is_forgotten() -> None:
    old = stored("p-a", "p-a")
    assert plan("c-1", {}, [old], PROJECTS, labels_trusted=True) == [ForgetNamespace(old)]


LABELS = st.sampled_from([None, "p-a", "p-b", "p-none"])
OURS = st.sampled_from([None, "p-a", "p-b"])


@given(LABELS, OURS, OURS, st.booleans(), st.booleans())
def test_label_and_record_agree_after_two_rounds(
    label: str | None, project: str | None, agreed: str | None, labels_trusted: bool, known: bool
) -> None:
    mine: ProjectNamespace | None = stored(project, agreed) if known else None
    for _ in range(2):
        for step in decide(label, mine, labels_trusted=labels_trusted):
            if isinstance(step, RecordNamespace):
                mine = step.namespace
            elif isinstance(step, ForgetNamespace):
                mine = None
            else:
                label = step.project_id
    assert decide(label, mine, labels_trusted=labels_trusted) == []
    if mine is not None:
        assert label == mine.project_id
    else:
        assert label in {None, "p-none"}


@given(LABELS, OURS, OURS, st.booleans())
def test_untrusted_label_never_changes_the_record(
    label: str | None, project: str | None, agreed: str | None, known: bool
) -> None:
    mine = stored(project, agreed) if known else None
    for step in decide(label, mine, labels_trusted=False):
        if isinstance(step, RecordNamespace):
            assert mine is not None
            assert step.namespace.project_id == mine.project_id


@pytest.mark.parametrize("labels_trusted", [True, False])
def test_restored_namespace_returns_to_its_project(labels_trusted: bool) -> None:
    """It is recognized by its name and former label, even if labels are not trusted."""
    old = replace(stored("p-a", "p-a", uid="0"), quota={"pods": "3"})
    back = RecordNamespace(replace(old, uid="1"))
    assert decide("p-a", old, labels_trusted=labels_trusted) == [ForgetNamespace(old), back]
    live = {"web": LiveNamespace("web", "1", "p-a")}
    former = [replace(old, uid="")]
    assert plan("c-1", live, [], PROJECTS, labels_trusted=labels_trusted, former=former) == [back]


def test_restored_namespace_with_a_new_untrusted_label_is_not_stored() -> None:
    for former in (stored("p-b", "p-b", uid=""), stored("p-a", "p-b", uid="")):
        live = {"web": LiveNamespace("web", "1", "p-a")}
        assert plan("c-1", live, [], PROJECTS, labels_trusted=False, former=[former]) == [
            RelabelNamespace("web", "1", None)
        ]


def test_rejected_move_has_an_undo_record() -> None:
    first, _ = decide("p-a", stored("p-b", "p-a"))
    assert isinstance(first, RelabelNamespace)
    assert first.undo == stored("p-a", "p-a")
    first, _ = decide("p-b", stored("p-a", "p-a"), labels_trusted=False)
    assert isinstance(first, RelabelNamespace)
    assert first.undo is None
