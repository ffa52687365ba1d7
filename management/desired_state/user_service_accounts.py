"""Service accounts of users, in clusters whose ``impersonator`` is ``per_user``. Pure.

A service account may impersonate its user, under each of the user's names in the cluster, and the
user's groups; no other identity. A stolen token therefore gives access as that one user only.
"""

from collections.abc import Iterable
from typing import Any

from impersonation.identity import ADMINISTRATORS_GROUP, AUTHENTICATED_GROUPS
from management.desired_state.installation import impersonator_role
from management.kubernetes.manifests import (
    LABELS,
    NAMESPACE,
    RBAC,
    Manifest,
)
from store.records import ImpersonatorMode

USER_LABEL = "sekisho.io/user"
EXTRAS = ("username", "principalid", "requestid")
"""The extras that the proxy sends. No permission depends on their values."""

_AUTHENTICATION = "authentication.k8s.io"


def account_name(user_id: str) -> str:
    """Return the name of a user's service account."""
    return f"sekisho-user-{user_id}"


def user_account(
    user_id: str, names: Iterable[str], groups: Iterable[str], *, administrator: bool
) -> list[Manifest]:
    """Return a user's service account, its ClusterRole and the binding."""
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


def proxy_role(impersonator: ImpersonatorMode) -> Manifest:
    """Return the role of the shared service account.

    It can't impersonate if users have their own service accounts.
    """
    role = impersonator_role()
    if impersonator == "per_user":
        role["rules"] = [one for one in role["rules"] if "impersonate" not in one["verbs"]]
    return role


def _may(group: str, resource: str, names: list[str]) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "resources": [resource],
        "verbs": ["impersonate"],
        "resourceNames": names,
    }
