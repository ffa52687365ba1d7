"""The objects that Sekisho keeps in a downstream cluster, as plain manifests. Pure.

Everything is labelled as ours. What is cluster-wide is owned by the namespace ``sekisho-system``,
so that ``kubectl delete namespace sekisho-system`` shuts Sekisho out and leaves nothing behind.
"""

from typing import Any

from impersonation.identity import ADMINISTRATORS_GROUP

Manifest = dict[str, Any]

NAMESPACE = "sekisho-system"
IMPERSONATOR = "sekisho-impersonator"
CONTROLLER = "sekisho-controller"
ADMINISTRATORS = "sekisho-administrators"

MANAGED_BY = "app.kubernetes.io/managed-by"
LABELS = {MANAGED_BY: "sekisho", "app.kubernetes.io/part-of": "sekisho"}

PROJECT_LABEL = "sekisho.io/project"
"""On a namespace: the project it is in. On an object of ours: the project it is there for."""

CLUSTER_LABEL = "sekisho.io/cluster"
"""On what a keeper makes: our id of the cluster. Another Sekisho's isn't for ours to delete."""

SHARED_LABEL = "sekisho.io/reaches-projects"
"""On a namespace (an ingress controller's): its pods may reach those of isolated projects."""

PROJECTS_GROUP = "sekisho.io"
MANAGE_NAMESPACES = "manage-namespaces"
"""RBAC's name for putting namespaces into a project and taking them out: this verb on the resource
``projects`` (name: the project's id) of that group. No such resource is served."""

SELECTOR = f"{MANAGED_BY}=sekisho,app.kubernetes.io/part-of=sekisho"
"""Everything of ours."""

RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
_PLACES = {
    "Namespace": ("/api/v1", "namespaces"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Secret": ("/api/v1", "secrets"),
    "Role": (f"/apis/{RBAC}/v1", "roles"),
    "RoleBinding": (f"/apis/{RBAC}/v1", "rolebindings"),
    "ClusterRole": (f"/apis/{RBAC}/v1", "clusterroles"),
    "ClusterRoleBinding": (f"/apis/{RBAC}/v1", "clusterrolebindings"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "LimitRange": ("/api/v1", "limitranges"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "ValidatingAdmissionPolicy": (f"/apis/{_ADMISSION}/v1", "validatingadmissionpolicies"),
    "ValidatingAdmissionPolicyBinding": (
        f"/apis/{_ADMISSION}/v1",
        "validatingadmissionpolicybindings",
    ),
}


def api_version(kind: str) -> str:
    """The API version of a kind."""
    return _PLACES[kind][0].removeprefix("/apis/").removeprefix("/api/")


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
        impersonator_role(),
        _rbac("ClusterRole", CONTROLLER, rules=_CONTROLLER_RULES),
        _rbac("Role", CONTROLLER, NAMESPACE, rules=_OWN_NAMESPACE_RULES),
        _binding("ClusterRoleBinding", CONTROLLER, CONTROLLER, _account(CONTROLLER)),
        _binding("RoleBinding", CONTROLLER, CONTROLLER, _account(CONTROLLER), namespace=NAMESPACE),
        administrators_binding(),
        # Last: a master that knows of this one knows of the bindings before it, too.
        _binding("ClusterRoleBinding", IMPERSONATOR, IMPERSONATOR, _account(IMPERSONATOR)),
    ]
    return objects + (secrets() if long_lived else [])


def impersonator_role() -> Manifest:
    """What the account that the gate uses may do."""
    return _rbac("ClusterRole", IMPERSONATOR, rules=[dict(one) for one in _IMPERSONATOR_RULES])


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
        {"kind": "Group", "apiGroup": RBAC, "name": ADMINISTRATORS_GROUP},
    )


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
    # Roles that people make may hold anything, and to hand out what one doesn't hold oneself takes
    # `escalate` and `bind`: whoever has this account's token has the cluster.
    _rule(RBAC, ["clusterroles"], [*_READ, *_WRITE, "escalate", "bind"]),
    _rule(RBAC, ["clusterrolebindings", "rolebindings"], _READ + _WRITE),
    _rule("", ["namespaces"], _READ + _WRITE),
    _rule("", ["resourcequotas", "limitranges"], _READ + _WRITE),
    _rule("networking.k8s.io", ["networkpolicies"], _READ + _WRITE),
    _rule(
        _ADMISSION,
        ["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        _READ + _WRITE,
    ),
    _rule(PROJECTS_GROUP, ["projects"], [MANAGE_NAMESPACES]),
    _rule("", ["nodes", "events"], _READ),
    _rule("events.k8s.io", ["events"], _READ),
    _rule("metrics.k8s.io", ["nodes"], _READ),
]

_OWN_NAMESPACE_RULES = [
    # One account for each user, where a cluster is set to `impersonation.isolation: per_user`.
    _rule("", ["serviceaccounts"], _READ + _WRITE),
    _rule("", ["serviceaccounts/token"], ["create"]),
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
    secret = _object("v1", "Secret", secret_name(account), NAMESPACE)
    secret["metadata"]["annotations"] = {"kubernetes.io/service-account.name": account}
    return {**secret, "type": "kubernetes.io/service-account-token"}
