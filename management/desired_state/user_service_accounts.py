"""One account for each user, where a cluster's ``isolation`` is ``per_user``.

An account may impersonate its user, under each name that the cluster knows the user by, and the
groups that the user is in; nobody else. What is stolen with its token is that one user.
"""

from collections.abc import Iterable
from typing import Any

from impersonation.identity import ADMINISTRATORS_GROUP, AUTHENTICATED_GROUPS
from management.downstream.objects import (
    LABELS,
    NAMESPACE,
    RBAC,
    Manifest,
    impersonator_role,
)
from store.interfaces import Isolation

USER_LABEL = "sekisho.io/user"
EXTRAS = ("username", "principalid", "requestid")
"""The extras that the gate stamps; their values say nothing that grants anything."""

_AUTHENTICATION = "authentication.k8s.io"


def account_name(user_id: str) -> str:
    """The service account of a user."""
    return f"sekisho-user-{user_id}"


def user_account(
    user_id: str, names: Iterable[str], groups: Iterable[str], *, administrator: bool
) -> list[Manifest]:
    """The account, what it may impersonate, and that it may."""
    every = {*groups, *AUTHENTICATED_GROUPS, *([ADMINISTRATORS_GROUP] if administrator else [])}
    name, role = account_name(user_id), f"sekisho:user:{user_id}"
    labels = {**LABELS, USER_LABEL: user_id}
    rules = [
        _may("", "users", sorted(set(names))),
        _may("", "groups", sorted(every)),
        _may(_AUTHENTICATION, "uids", [user_id]),
        {
            "apiGroups": [_AUTHENTICATION],
            "resources": [f"userextras/{key}" for key in EXTRAS],
            "verbs": ["impersonate"],
        },
    ]
    account = {"kind": "ServiceAccount", "namespace": NAMESPACE, "name": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": role, "labels": dict(labels)},
            "rules": rules,
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role, "labels": dict(labels)},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [account],
        },
    ]


def gate_role(isolation: Isolation) -> Manifest:
    """What the account that the gate shares may do: where each user has one, only ask."""
    role = impersonator_role()
    if isolation == "per_user":
        role["rules"] = [one for one in role["rules"] if "impersonate" not in one["verbs"]]
    return role


def _may(group: str, resource: str, names: list[str]) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "resources": [resource],
        "verbs": ["impersonate"],
        "resourceNames": names,
    }
