"""The objects that Sekisho keeps in a downstream cluster, as plain manifests. Pure.

Everything is labelled as ours. What is cluster-wide is owned by the namespace ``sekisho-system``,
so that ``kubectl delete namespace sekisho-system`` shuts Sekisho out and leaves nothing behind.
"""

from collections.abc import Sequence
from typing import Any

from impersonation.identity import ADMINISTRATORS_GROUP
from store.interfaces import Role

Manifest = dict[str, Any]

NAMESPACE = "sekisho-system"
IMPERSONATOR = "sekisho-impersonator"
CONTROLLER = "sekisho-controller"
ADMINISTRATORS = "sekisho-administrators"

MANAGED_BY = "app.kubernetes.io/managed-by"
USER_LABEL = "sekisho/user"
LABELS = {MANAGED_BY: "sekisho", "app.kubernetes.io/part-of": "sekisho"}
GRANT_SELECTOR = f"{MANAGED_BY}=sekisho,{USER_LABEL}"

CLUSTER_ROLE_OF: dict[Role, str] = {"owner": "cluster-admin", "member": "edit", "read-only": "view"}
"""The cluster role that each of our roles is bound to."""

_RBAC = "rbac.authorization.k8s.io"
_PLACES = {
    "Namespace": ("/api/v1", "namespaces"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Secret": ("/api/v1", "secrets"),
    "Role": (f"/apis/{_RBAC}/v1", "roles"),
    "RoleBinding": (f"/apis/{_RBAC}/v1", "rolebindings"),
    "ClusterRole": (f"/apis/{_RBAC}/v1", "clusterroles"),
    "ClusterRoleBinding": (f"/apis/{_RBAC}/v1", "clusterrolebindings"),
}


def collection_path(kind: str, namespace: str | None = None) -> str:
    """Where the API keeps objects of a kind."""
    prefix, plural = _PLACES[kind]
    return f"{prefix}/namespaces/{namespace}/{plural}" if namespace else f"{prefix}/{plural}"


def path_of(manifest: Manifest) -> str:
    """Where the API keeps this object."""
    metadata = manifest["metadata"]
    return f"{collection_path(manifest['kind'], metadata.get('namespace'))}/{metadata['name']}"


def title(manifest: Manifest) -> str:
    """What people call the object: ``ServiceAccount sekisho-system/sekisho-controller``."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace")
    name = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    return f"{manifest['kind']} {name}"


def is_ours(manifest: Manifest) -> bool:
    """Whether an object that exists carries our label."""
    labels = manifest["metadata"].get("labels") or {}
    return bool(labels.get(MANAGED_BY) == "sekisho")


def setup(*, long_lived: bool = False) -> list[Manifest]:
    """Everything that an import makes, in the order in which it can be made.

    ``long_lived`` adds a Secret for each account, which the cluster fills with a token that doesn't
    end.
    """
    objects = [
        _object("v1", "Namespace", NAMESPACE),
        _object("v1", "ServiceAccount", IMPERSONATOR, NAMESPACE),
        _object("v1", "ServiceAccount", CONTROLLER, NAMESPACE),
        _rbac("ClusterRole", IMPERSONATOR, rules=_IMPERSONATOR_RULES),
        _rbac("ClusterRole", CONTROLLER, rules=_CONTROLLER_RULES),
        _rbac("Role", CONTROLLER, NAMESPACE, rules=_OWN_NAMESPACE_RULES),
        _binding("ClusterRoleBinding", CONTROLLER, CONTROLLER, _account(CONTROLLER)),
        _binding("RoleBinding", CONTROLLER, CONTROLLER, _account(CONTROLLER), namespace=NAMESPACE),
        administrators_binding(),
        # Last: a master that knows of this one knows of the bindings before it, too.
        _binding("ClusterRoleBinding", IMPERSONATOR, IMPERSONATOR, _account(IMPERSONATOR)),
    ]
    return objects + (secrets() if long_lived else [])


def secrets() -> list[Manifest]:
    """The Secrets that hold the accounts' long-lived tokens."""
    return [_token_secret(account) for account in (IMPERSONATOR, CONTROLLER)]


def secret_name(account: str) -> str:
    """The Secret of an account's long-lived token."""
    return f"{account}-token"


def administrators_binding() -> Manifest:
    """Binds everyone who administers Sekisho, through one group."""
    return _binding(
        "ClusterRoleBinding",
        ADMINISTRATORS,
        "cluster-admin",
        {"kind": "Group", "apiGroup": _RBAC, "name": ADMINISTRATORS_GROUP},
    )


def grant_name(user_id: str, role: Role) -> str:
    """The binding of a grant. The role is in its name, for a binding's roleRef can't change."""
    return f"sekisho-grant-{user_id}-{role}"


def grant_binding(user_id: str, role: Role, names: Sequence[str]) -> Manifest:
    """Binds a user, under each of the ``names`` that the cluster may know them by, to a role."""
    subjects = [{"kind": "User", "apiGroup": _RBAC, "name": name} for name in names]
    manifest = _binding(
        "ClusterRoleBinding", grant_name(user_id, role), CLUSTER_ROLE_OF[role], *subjects
    )
    manifest["metadata"]["labels"] = {**LABELS, USER_LABEL: user_id}
    return manifest


def owned(manifest: Manifest, namespace_uid: str) -> Manifest:
    """The manifest, to be collected with our namespace if it is cluster-wide."""
    if manifest["kind"] == "Namespace" or "namespace" in manifest["metadata"]:
        return manifest
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": NAMESPACE, "uid": namespace_uid}
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


def token_path(account: str) -> str:
    """Where a token for one of our accounts is asked for."""
    return f"{collection_path('ServiceAccount', NAMESPACE)}/{account}/token"


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
    # RBAC knows `*/key` and `*`, but no `userextras/*`, and the keys of a nested `--as-user-extra`
    # are anybody's choice. Under this verb the group has only `uids` and `userextras`.
    _rule("authentication.k8s.io", ["*"], ["impersonate"]),
    _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
]

_CONTROLLER_RULES = [
    _rule(_RBAC, ["clusterrolebindings", "rolebindings"], _READ + _WRITE),
    # To bind a role that one doesn't hold oneself takes `bind`, here for the three we hand out.
    _rule(_RBAC, ["clusterroles"], ["bind"], sorted(CLUSTER_ROLE_OF.values())),
    _rule("", ["namespaces", "nodes", "events"], _READ),
    _rule("events.k8s.io", ["events"], _READ),
    # To take itself out of the cluster again.
    _rule(_RBAC, ["clusterroles"], ["delete"], [CONTROLLER, IMPERSONATOR]),
    _rule("", ["namespaces"], ["delete"], [NAMESPACE]),
]

_OWN_NAMESPACE_RULES = [
    _rule("", ["serviceaccounts/token"], ["create"], [CONTROLLER, IMPERSONATOR]),
]


def _object(version: str, kind: str, name: str, namespace: str | None = None) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "labels": dict(LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _rbac(kind: str, name: str, namespace: str | None = None, **content: Any) -> Manifest:
    return {**_object(f"{_RBAC}/v1", kind, name, namespace), **content}


def _binding(
    kind: str, name: str, role: str, *subjects: dict[str, str], namespace: str | None = None
) -> Manifest:
    role_kind = "ClusterRole" if kind == "ClusterRoleBinding" else "Role"
    reference = {"apiGroup": _RBAC, "kind": role_kind, "name": role}
    return _rbac(kind, name, namespace, roleRef=reference, subjects=list(subjects))


def _account(name: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "namespace": NAMESPACE, "name": name}


def _token_secret(account: str) -> Manifest:
    secret = _object("v1", "Secret", secret_name(account), NAMESPACE)
    secret["metadata"]["annotations"] = {"kubernetes.io/service-account.name": account}
    return {**secret, "type": "kubernetes.io/service-account-token"}
