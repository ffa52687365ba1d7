"""What a caller may do with one workload, by the cluster's RBAC, asked in the caller's name.

For programs that offer only what will be allowed. Each request is decided again when it is sent.
"""

from collections.abc import Mapping
from typing import Any

from management.caller_client.client import CallerClient
from management.kubernetes.validation import mapping
from management.workload_changes.operations import WorkloadTarget
from management.workloads.kinds import POD

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "deployment": ("scale", "image", "pause", "resume", "restart", "rollback", "delete", "logs"),
    "statefulset": ("scale", "image", "restart", "rollback", "delete", "logs"),
    "daemonset": ("image", "restart", "rollback", "delete", "logs"),
    "job": ("pause", "resume", "delete", "logs"),
    "cronjob": ("image", "pause", "resume", "delete", "logs"),
    "pod": ("image", "delete", "logs"),
}
"""The actions that each kind has, named as the last part of their paths. ``delete`` is a method."""

READING = frozenset({"logs"})
"""Actions that change nothing."""


async def permitted_actions(
    client: CallerClient, target: WorkloadTarget, *, read_only: bool
) -> list[str]:
    """Return the actions that the caller may do. ``read_only``: the caller's token only reads.

    Raises:
        CallerRequestError: the workload does not exist, or the caller may not read it.
    """
    await client.get(target.path)
    # One after the other: the caller may have few requests at a time.
    answers: dict[tuple[str, str], bool] = {}
    found = []
    for action in ACTIONS[target.kind.name]:
        if read_only and action not in READING:
            continue
        needs = _needs(action)
        if needs not in answers:
            answers[needs] = await _allowed(client, target, *needs)
        if answers[needs]:
            found.append(action)
    return found


def _needs(action: str) -> tuple[str, str]:
    """Return the verb and the subresource of the request that an action sends last."""
    if action == "logs":
        return "get", "log"
    if action == "delete":
        return "delete", ""
    return "patch", "scale" if action == "scale" else ""


async def _allowed(
    client: CallerClient, target: WorkloadTarget, verb: str, subresource: str
) -> bool:
    attributes: dict[str, Any] = {"namespace": target.namespace, "verb": verb}
    if subresource == "log":
        attributes |= {"resource": POD.plural, "subresource": subresource}
    else:
        group = target.kind.group.rpartition("/")[0]
        attributes |= {"group": group, "resource": target.kind.plural, "name": target.name}
        attributes["subresource"] = subresource
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.request("POST", REVIEWS, body=review)
    return mapping(answer.get("status")).get("allowed") is True
