"""How workloads and their changes are shown."""

from typing import Any

from proxy.cli.output.columns import Kind
from proxy.cli.verbs.workload_output import (
    POD,
    REVISION,
    WORKLOAD,
    change_lines,
    differences,
    gap_lines,
)


def cells(kind: Kind, item: dict[str, Any]) -> dict[str, str]:
    return {one.heading: one.cell(item) for one in kind.columns}


def a_pod(**fields: Any) -> dict[str, Any]:
    return {"name": "web-1", "reason": "", "message": "", "containers": [], **fields}


def test_numbers_of_pods_are_shown_as_far_as_the_kind_has_them() -> None:
    assert cells(WORKLOAD, {"ready": 1, "desired": 3})["READY"] == "1/3"
    assert cells(WORKLOAD, {"ready": None, "desired": 3})["READY"] == "0/3"
    assert cells(WORKLOAD, {"ready": 2, "desired": None})["READY"] == "2"
    assert cells(REVISION, {"ready": None, "desired": None})["READY"] == ""


def test_conditions_have_their_reasons() -> None:
    item = {"conditions": [{"type": "Available", "status": "False", "reason": "R", "message": "m"}]}
    assert cells(WORKLOAD, item)["CONDITIONS"] == "Available=False (R: m)"


def test_pod_shows_why_it_does_not_run() -> None:
    waiting = {"state": "waiting", "reason": "ErrImagePull", "message": "no\x1b[2J such image"}
    running = {"state": "running", "reason": "Old", "message": ""}
    shown = cells(POD, a_pod(containers=[running, waiting, waiting]))["WHY"]
    assert shown == "ErrImagePull: no [2J such image"
    assert cells(POD, a_pod(reason="Evicted"))["WHY"] == "Evicted"


def test_changes_have_a_line_for_each_field() -> None:
    changes: list[dict[str, str | None]] = [
        {"field": ".spec.replicas", "before": "1", "after": "3"},
        {"field": ".spec.paused", "before": None, "after": "true"},
        {"field": ".metadata.labels.a", "before": '"\x1bx"', "after": None},
    ]
    assert list(change_lines(changes)) == [
        "~ .spec.replicas: 1 → 3",
        "+ .spec.paused: true",
        '- .metadata.labels.a: " x"',
    ]
    assert differences({"changes": changes[:1], "more_changes": True}) == [
        "  ~ .spec.replicas: 1 → 3",
        "  … and more",
    ]


def test_gaps_say_what_is_missing_and_what_to_do() -> None:
    gaps = [
        {"kind": "job", "reason": "Forbidden", "message": "no", "namespaces": ["a", "b"]},
        {"kind": "pod", "reason": "TooMany", "message": "over 5000", "namespaces": []},
        {"kind": "cronjob", "reason": "Forbidden", "message": "no", "namespaces": ["a", "b"]},
    ]
    assert list(gap_lines({"incomplete": gaps})) == [
        "jobs, cronjobs of a, b are not shown: no",
        "pods are not shown: over 5000; choose a namespace or a kind",
    ]
    assert list(gap_lines({})) == []
