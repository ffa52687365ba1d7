"""Where namespaces belong when label and store say different things."""

from hypothesis import given
from hypothesis import strategies as st

from management.controllers.places import Forget, Keep, LiveNamespace, Relabel, Step, steps
from store.access_records import ProjectNamespace

PROJECTS = ("p-a", "p-b")


def stored(project: str | None, agreed: str | None, uid: str = "1") -> ProjectNamespace:
    return ProjectNamespace("c-1", "web", uid, project, agreed)


def decide(
    label: str | None, mine: ProjectNamespace | None, *, guarded: bool = True, uid: str = "1"
) -> list[Step]:
    live = {"web": LiveNamespace("web", uid, label)}
    return steps("c-1", live, [mine] if mine else [], PROJECTS, guarded=guarded)


def test_where_both_agree_nothing_is_done() -> None:
    assert decide("p-a", stored("p-a", "p-a")) == []
    assert decide(None, None) == []


def test_a_guarded_label_is_believed() -> None:
    assert decide("p-a", None) == [Keep(stored("p-a", "p-a"))]
    assert decide("p-b", stored("p-a", "p-a")) == [Keep(stored("p-b", "p-b"))]
    assert decide(None, stored("p-a", "p-a")) == [Forget(stored("p-a", "p-a"))]


def test_a_label_that_nobody_guards_is_put_right() -> None:
    assert decide("p-a", None, guarded=False) == [Relabel("web", "1", None)]
    for label in ("p-b", None):
        first, second = decide(label, stored("p-a", "p-a"), guarded=False)
        assert first == Relabel("web", "1", "p-a")
        assert second == Keep(stored("p-a", "p-a"))


def test_a_label_of_no_project_is_put_right_guarded_or_not() -> None:
    for guarded in (True, False):
        # Where nothing is stored it may be another Sekisho's, and gives nobody anything.
        assert decide("p-none", None, guarded=guarded) == []
        first, _ = decide("p-none", stored("p-a", "p-a"), guarded=guarded)
        assert first == Relabel("web", "1", "p-a")


def test_what_was_stored_and_not_told_yet_is_told() -> None:
    """Somebody moved it through the API and was stopped half-way."""
    first, second = decide("p-a", stored("p-b", "p-a"))
    assert (first, second) == (Relabel("web", "1", "p-b"), Keep(stored("p-b", "p-b")))
    first, _ = decide("p-a", stored(None, "p-a"))
    assert first == Relabel("web", "1", None)


def test_of_two_changes_at_once_the_stored_one_counts() -> None:
    first, _ = decide(None, stored("p-b", "p-a"))
    assert first == Relabel("web", "1", "p-b")


def test_another_of_the_same_name_starts_anew() -> None:
    old = stored("p-a", "p-a", uid="0")
    assert decide(None, old) == [Forget(old)]
    assert decide("p-b", old) == [Forget(old), Keep(stored("p-b", "p-b"))]


def test_what_is_gone_is_forgotten() -> None:
    old = stored("p-a", "p-a")
    assert steps("c-1", {}, [old], PROJECTS, guarded=True) == [Forget(old)]


LABELS = st.sampled_from([None, "p-a", "p-b", "p-none"])
OURS = st.sampled_from([None, "p-a", "p-b"])


@given(LABELS, OURS, OURS, st.booleans(), st.booleans())
def test_carrying_the_steps_out_makes_both_agree_in_two_rounds(
    label: str | None, project: str | None, agreed: str | None, guarded: bool, known: bool
) -> None:
    mine: ProjectNamespace | None = stored(project, agreed) if known else None
    for _ in range(2):
        for step in decide(label, mine, guarded=guarded):
            if isinstance(step, Keep):
                mine = step.namespace
            elif isinstance(step, Forget):
                mine = None
            else:
                label = step.project_id
    assert decide(label, mine, guarded=guarded) == []
    if mine is not None:
        assert label == mine.project_id
    else:
        assert label in {None, "p-none"}


@given(LABELS, OURS, OURS, st.booleans())
def test_without_a_guard_no_label_changes_where_a_namespace_belongs(
    label: str | None, project: str | None, agreed: str | None, known: bool
) -> None:
    mine = stored(project, agreed) if known else None
    for step in decide(label, mine, guarded=False):
        if isinstance(step, Keep):
            assert mine is not None
            assert step.namespace.project_id == mine.project_id
