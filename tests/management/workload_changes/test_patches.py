"""The patches of single changes are those of kubectl."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from management.workload_changes import patches
from management.workload_changes.patches import (
    JSON_PATCH,
    MERGE_PATCH,
    ChangeConflict,
    InvalidChange,
    Patch,
)
from tests.management.workload_changes.manifests import a_deployment, a_template

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_scale_patches_the_subresource() -> None:
    change = patches.scale("statefulset", 3)
    assert change.subresource == "scale"
    assert change.patch_of({}) == Patch(MERGE_PATCH, {"spec": {"replicas": 3}})


def test_image_patch_tests_the_name_of_the_container() -> None:
    patch = patches.set_image("deployment", "web", "web:4").patch_of(a_deployment())
    path = "/spec/template/spec/containers/0"
    assert patch == Patch(
        JSON_PATCH,
        [
            {"op": "test", "path": f"{path}/name", "value": "web"},
            {"op": "add", "path": f"{path}/image", "value": "web:4"},
        ],
    )


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("pod", {"initContainers": [{"name": "web"}]}, "/spec/initContainers/0"),
        (
            "cronjob",
            {"jobTemplate": {"spec": {"template": a_template("web:1")}}},
            "/spec/jobTemplate/spec/template/spec/containers/0",
        ),
    ],
)
def test_image_of_other_kinds_is_at_their_place(kind: str, spec: Any, path: str) -> None:
    patch = patches.set_image(kind, "web", "web:2").patch_of({"spec": spec})
    assert [one["path"] for one in patch.body] == [f"{path}/name", f"{path}/image"]


def test_unknown_container_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(InvalidChange, match=r"no container 'db'; the pods have web"):
        patches.set_image("deployment", "db", "db:1").patch_of(a_deployment())


@pytest.mark.parametrize(
    ("kind", "field"), [("deployment", "paused"), ("job", "suspend"), ("cronjob", "suspend")]
)
def test_pause_and_resume_set_the_field_of_the_kind(kind: str, field: str) -> None:
    for paused in (True, False):
        patch = patches.pause(kind, paused=paused).patch_of({})
        assert patch == Patch(MERGE_PATCH, {"spec": {field: paused}})


def test_restart_sets_the_annotation_of_kubectl() -> None:
    patch = patches.restart("daemonset", NOW).patch_of({})
    annotations = patch.body["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05Z"}


def test_restart_of_a_paused_deployment_is_rejected() -> None:
    with pytest.raises(ChangeConflict, match="resume it"):
        patches.restart("deployment", NOW).patch_of(a_deployment(paused=True))


def test_change_that_a_kind_does_not_have_is_rejected() -> None:
    changes: list[Callable[[], object]] = [
        lambda: patches.scale("daemonset", 1),
        lambda: patches.set_image("job", "web", "web:2"),
        lambda: patches.pause("statefulset", paused=True),
        lambda: patches.restart("pod", NOW),
    ]
    for make in changes:
        with pytest.raises(InvalidChange, match=r"cannot .*; that is for "):
            make()
