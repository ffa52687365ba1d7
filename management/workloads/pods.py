"""The pods of a workload, and their containers."""

from collections.abc import Mapping, Sequence
from typing import Any

from management.kubernetes.validation import mapping, mappings, moment, number, text
from management.workloads.rows import MAX_IMAGE_LENGTH, MAX_MESSAGE, Row
from management.workloads.states import condition, pod_state

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def pod_row(manifest: Mapping[str, Any]) -> Row:
    """Return the row of a pod, with its containers, init containers first."""
    metadata, status = mapping(manifest.get("metadata")), mapping(manifest.get("status"))
    created = moment(metadata.get("creationTimestamp"))
    containers = _containers(manifest)
    return {
        "name": text(metadata.get("name")) or "",
        "uid": text(metadata.get("uid")) or "",
        "phase": text(status.get("phase"), 40) or "",
        "state": pod_state(manifest),
        "reason": text(status.get("reason"), 100) or _waiting_reason(containers),
        "message": text(status.get("message"), MAX_MESSAGE) or "",
        "ready": condition(status, "Ready") == "True",
        "restarts": sum(one["restarts"] for one in containers),
        "node": text(mapping(manifest.get("spec")).get("nodeName")),
        "ip": text(status.get("podIP"), 45),
        "created_at": created.isoformat() if created else None,
        "containers": containers,
    }


def _waiting_reason(containers: list[Row]) -> str:
    return next((one["reason"] for one in containers if one["state"] == "waiting"), "")


def _containers(manifest: Mapping[str, Any]) -> list[Row]:
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    found: list[Row] = []
    for init, declared, reported in (
        (True, "initContainers", "initContainerStatuses"),
        (False, "containers", "containerStatuses"),
    ):
        statuses = {one.get("name"): one for one in mappings(status.get(reported))}
        found += [
            _container(one, statuses.get(one.get("name"), {}), init=init)
            for one in mappings(spec.get(declared))
        ]
    return found


def _container(declared: Mapping[str, Any], status: Mapping[str, Any], *, init: bool) -> Row:
    states = mapping(status.get("state"))
    state = next((one for one in ("running", "waiting", "terminated") if one in states), "")
    detail = mapping(states.get(state))
    code = detail.get("exitCode")
    return {
        "name": text(declared.get("name")) or "",
        "image": text(declared.get("image"), MAX_IMAGE_LENGTH) or "",
        "init": init,
        "ready": status.get("ready") is True,
        "restarts": number(status.get("restartCount"), 0),
        "state": state,
        "reason": text(detail.get("reason"), 100) or "",
        "message": text(detail.get("message"), MAX_MESSAGE) or "",
        "exit_code": code if isinstance(code, int) and not isinstance(code, bool) else None,
    }


def containers_of(pod_spec: Mapping[str, Any]) -> list[Row]:
    """Return the containers of a template, init containers first."""
    return [
        {
            "name": text(one.get("name")) or "",
            "image": text(one.get("image"), MAX_IMAGE_LENGTH) or "",
            "init": init,
            "ports": [number(port.get("containerPort"), 0) for port in mappings(one.get("ports"))],
            "requests": _amounts(one, "requests"),
            "limits": _amounts(one, "limits"),
        }
        for init, field in ((True, "initContainers"), (False, "containers"))
        for one in mappings(pod_spec.get(field))
    ]


def _amounts(container: Mapping[str, Any], field: str) -> dict[str, str]:
    amounts = mapping(mapping(container.get("resources")).get(field))
    return {key: value for key, value in list(amounts.items())[:16] if isinstance(value, str)}


def pod_for_logs(pods: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the pod whose log is shown if none is named: a ready one, and the newest of them."""

    def worth(pod: Mapping[str, Any]) -> tuple[bool, bool, str]:
        state = pod_state(pod)
        created = mapping(pod.get("metadata")).get("creationTimestamp")
        return state == "ready", state in {"failed", "complete"}, str(created or "")

    return max(pods, key=worth, default=None)


def container_for_logs(pod: Mapping[str, Any]) -> str | None:
    """Return the container whose log is shown if none is named, as kubectl chooses it."""
    annotations = mapping(mapping(pod.get("metadata")).get("annotations"))
    names = [text(one.get("name")) for one in mappings(mapping(pod.get("spec")).get("containers"))]
    default = annotations.get(DEFAULT_CONTAINER)
    return default if isinstance(default, str) and default in names else next(iter(names), None)
