"""The patches of single changes: scale, image, pause, resume, and restart. Pure.

They are those of kubectl: the subresource ``scale``, the annotation of ``kubectl rollout restart``,
``spec.paused``. Where a patch depends on what was read, it tests that first, so that a change by
another client in between makes it fail.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from management.errors import ManagementError
from management.kubernetes.validation import mapping, mappings

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation of ``kubectl rollout restart`` in the pod template."""

MAX_CONTAINERS = 256
"""Containers of a pod that are searched for a name."""

_SHOWN = 20
"""Names that a message contains."""

_TEMPLATE = ("spec", "template")
_POD_SPECS: Mapping[str, tuple[str, ...]] = {
    "deployment": (*_TEMPLATE, "spec"),
    "statefulset": (*_TEMPLATE, "spec"),
    "daemonset": (*_TEMPLATE, "spec"),
    "cronjob": ("spec", "jobTemplate", *_TEMPLATE, "spec"),
    "pod": ("spec",),
}
_SWITCHES = {"deployment": "paused", "job": "suspend", "cronjob": "suspend"}
_SCALED = frozenset({"deployment", "statefulset"})
_RESTARTED = frozenset({"deployment", "statefulset", "daemonset"})


class InvalidChange(ManagementError):
    """The workload cannot be changed in this way. The message is for the caller."""

    status = 422


class ChangeConflict(InvalidChange):
    """The workload's present state does not permit the change."""

    status = 409


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of an object, with the type of patch."""

    content_type: str
    body: Any


@dataclass(frozen=True, slots=True)
class WorkloadChange:
    """A change of a workload, or of one of its subresources.

    ``patch_of`` returns the patch for the object as it was read, or raises InvalidChange.
    """

    patch_of: Callable[[Mapping[str, Any]], Patch]
    subresource: str = ""


def scale(kind: str, replicas: int) -> WorkloadChange:
    """Return the change that sets the number of pods. Raises InvalidChange."""
    _require(kind, _SCALED, "be scaled")
    patch = Patch(MERGE_PATCH, {"spec": {"replicas": replicas}})
    return WorkloadChange(lambda _: patch, "scale")


def set_image(kind: str, container: str, image: str) -> WorkloadChange:
    """Return the change that sets the image of one container. Raises InvalidChange."""
    _require(kind, _POD_SPECS, "get another image: its pods are made once")
    return WorkloadChange(lambda found: _image_patch(found, _POD_SPECS[kind], container, image))


def pause(kind: str, *, paused: bool) -> WorkloadChange:
    """Return the change that pauses or resumes a workload. Raises InvalidChange.

    A paused Deployment rolls nothing out; a suspended Job or CronJob starts no pods.
    """
    _require(kind, _SWITCHES, "be paused")
    patch = Patch(MERGE_PATCH, {"spec": {_SWITCHES[kind]: paused}})
    return WorkloadChange(lambda _: patch)


def restart(kind: str, now: datetime) -> WorkloadChange:
    """Return the change that replaces all pods, as a rollout does. Raises InvalidChange."""
    _require(kind, _RESTARTED, "be restarted")
    return WorkloadChange(lambda found: _restart_patch(found, now))


def refuse_paused(found: Mapping[str, Any], action: str) -> None:
    """Raise ChangeConflict for a paused Deployment, which would not roll the change out."""
    if mapping(found.get("spec")).get("paused"):
        raise ChangeConflict(f"the Deployment is paused: resume it before you {action} it")


def same_object(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tests of a JSON patch that the object has not changed since it was read."""
    metadata = mapping(found.get("metadata"))
    tests: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": metadata.get("uid")}
    ]
    if "generation" in metadata:
        path = "/metadata/generation"
        tests.append({"op": "test", "path": path, "value": metadata["generation"]})
    return tests


def _require(kind: str, kinds: Collection[str], to: str) -> None:
    if kind not in kinds:
        raise InvalidChange(f"a {kind} cannot {to}; that is for {', '.join(sorted(kinds))}")


def _image_patch(
    found: Mapping[str, Any], place: tuple[str, ...], container: str, image: str
) -> Patch:
    spec = found
    for key in place:
        spec = mapping(spec.get(key))
    names: list[str] = []
    for field in ("containers", "initContainers"):
        for position, one in enumerate(mappings(spec.get(field), MAX_CONTAINERS)):
            if one.get("name") == container:
                path = f"/{'/'.join(place)}/{field}/{position}"
                named = {"op": "test", "path": f"{path}/name", "value": container}
                replaced = {"op": "add", "path": f"{path}/image", "value": image}
                return Patch(JSON_PATCH, [named, replaced])
            names.append(str(one.get("name")))
    known = ", ".join(sorted(names)[:_SHOWN])
    raise InvalidChange(f"no container {container!r}; the pods have {known}")


def _restart_patch(found: Mapping[str, Any], now: datetime) -> Patch:
    refuse_paused(found, "restart")
    at = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    annotations = {"annotations": {RESTARTED_AT: at}}
    return Patch(MERGE_PATCH, {"spec": {"template": {"metadata": annotations}}})
