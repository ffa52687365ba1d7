"""The objects that an import creates in a cluster: service accounts, rights and Secrets. Pure.

Cluster-wide objects are owned by the namespace ``sekisho-system``, so that
``kubectl delete namespace sekisho-system`` removes Sekisho and leaves nothing behind.
"""

from typing import Any

from impersonation.identity import ADMINISTRATORS_GROUP
from management.kubernetes.manifests import (
    ADMINISTRATORS,
    ADMISSION,
    CONTROLLER,
    IMPERSONATOR,
    LABELS,
    MANAGE_NAMESPACES,
    NAMESPACE,
    PROJECTS_GROUP,
    RBAC,
    REGISTRAR,
    Manifest,
)


def installation(*, long_lived: bool = False) -> list[Manifest]:
    """Return all objects that an import creates, in an order in which they can be created.

    ``long_lived`` adds a Secret for each service account. The cluster stores a token without an
    expiration in it.
    """
    objects = [
        _object("v1", "Namespace", NAMESPACE),
        _object("v1", "ServiceAccount", IMPERSONATOR, NAMESPACE),
        _object("v1", "ServiceAccount", CONTROLLER, NAMESPACE),
        impersonator_role(),
        _rbac("ClusterRole", CONTROLLER, rules=_CONTROLLER_RULES),
        _rbac("Role", CONTROLLER, NAMESPACE, rules=_OWN_NAMESPACE_RULES),
        _binding("ClusterRoleBinding", CONTROLLER, CONTROLLER, _account(CONTROLLER)),
        _binding("RoleBinding", CONTROLLER, CONTROLLER, _account(CONTROLLER), namespace=NAMESPACE),
        administrators_binding(),
        # Last: an API server that has seen this binding has seen the ones before it as well.
        _binding("ClusterRoleBinding", IMPERSONATOR, IMPERSONATOR, _account(IMPERSONATOR)),
    ]
    return objects + (token_secrets() if long_lived else [])


def impersonator_role() -> Manifest:
    """Return the ClusterRole of the service account that the proxy uses."""
    return _rbac("ClusterRole", IMPERSONATOR, rules=[dict(one) for one in _IMPERSONATOR_RULES])


def token_secrets() -> list[Manifest]:
    """Return the Secrets for the service accounts' long-lived tokens."""
    return [_token_secret(account) for account in (IMPERSONATOR, CONTROLLER)]


def token_secret_name(account: str) -> str:
    """Return the name of the Secret for a service account's long-lived token."""
    return f"{account}-token"


def administrators_binding() -> Manifest:
    """Return the binding of the group of Sekisho's administrators to ``cluster-admin``."""
    return _binding(
        "ClusterRoleBinding",
        ADMINISTRATORS,
        "cluster-admin",
        {"kind": "Group", "apiGroup": RBAC, "name": ADMINISTRATORS_GROUP},
    )


def _rule(
    groups: str | list[str], resources: list[str], verbs: list[str], names: list[str] | None = None
) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "apiGroups": [groups] if isinstance(groups, str) else groups,
        "resources": resources,
        "verbs": verbs,
    }
    if names:
        rule["resourceNames"] = names
    return rule


_READ = ["get", "list", "watch"]
_WRITE = ["create", "update", "patch", "delete"]

_IMPERSONATOR_RULES = [
    _rule("", ["users", "groups", "serviceaccounts"], ["impersonate"]),
    # RBAC supports `*/key` and `*`, but not `userextras/*`, and a client chooses the keys of a
    # nested `--as-user-extra`. With this verb, the group has only `uids` and `userextras`.
    _rule("authentication.k8s.io", ["*"], ["impersonate"]),
    _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
]

_CONTROLLER_RULES: list[dict[str, Any]] = [
    # Custom roles may grant any permission. Granting permissions that the grantor does not have
    # requires `escalate` and `bind`, so this account's token gives full control of the cluster.
    _rule(RBAC, ["clusterroles"], [*_READ, *_WRITE, "escalate", "bind"]),
    _rule(RBAC, ["clusterrolebindings", "rolebindings"], _READ + _WRITE),
    # To answer who may do something: role bindings refer to these (decision 0041).
    _rule(RBAC, ["roles"], ["list"]),
    _rule("", ["namespaces"], _READ + _WRITE),
    _rule("", ["resourcequotas", "limitranges"], _READ + _WRITE),
    _rule("networking.k8s.io", ["networkpolicies"], _READ + _WRITE),
    _rule(
        ADMISSION,
        ["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        _READ + _WRITE,
    ),
    _rule(PROJECTS_GROUP, ["projects"], [MANAGE_NAMESPACES]),
    _rule("", ["nodes", "events"], _READ),
    _rule("events.k8s.io", ["events"], _READ),
    _rule("metrics.k8s.io", ["nodes", "pods"], _READ),
    # Which deprecated APIs are in use (decision 0051).
    {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
]

_OWN_NAMESPACE_RULES = [
    # Service accounts of users, if the cluster's `impersonator` is `per_user`.
    _rule("", ["serviceaccounts"], _READ + _WRITE),
    _rule("", ["serviceaccounts/token"], ["create"]),
    # The registrar's objects are removed after the registration
    # (management/clusters/registrar_removal.py).
    _rule(RBAC, ["roles"], ["get", "delete"], [REGISTRAR]),
    _rule("", ["secrets"], ["delete"], [REGISTRAR]),
]


def _object(version: str, kind: str, name: str, namespace: str | None = None) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "labels": dict(LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _rbac(kind: str, name: str, namespace: str | None = None, **content: Any) -> Manifest:
    return {**_object(f"{RBAC}/v1", kind, name, namespace), **content}


def _binding(
    kind: str, name: str, role: str, *subjects: dict[str, str], namespace: str | None = None
) -> Manifest:
    role_kind = "ClusterRole" if kind == "ClusterRoleBinding" else "Role"
    reference = {"apiGroup": RBAC, "kind": role_kind, "name": role}
    return _rbac(kind, name, namespace, roleRef=reference, subjects=list(subjects))


def _account(name: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "namespace": NAMESPACE, "name": name}


def _token_secret(account: str) -> Manifest:
    secret = _object("v1", "Secret", token_secret_name(account), NAMESPACE)
    secret["metadata"]["annotations"] = {"kubernetes.io/service-account.name": account}
    return {**secret, "type": "kubernetes.io/service-account-token"}
