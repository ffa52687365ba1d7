"""Names, labels and API paths of the Kubernetes objects that Sekisho manages. Pure."""

from typing import Any
from urllib.parse import quote

Manifest = dict[str, Any]

NAMESPACE = "sekisho-system"
IMPERSONATOR = "sekisho-impersonator"
CONTROLLER = "sekisho-controller"
ADMINISTRATORS = "sekisho-administrators"
REGISTRAR = "sekisho-registrar"
"""Name of the service account, Role, RoleBinding and Secret by which a cluster registers. Its Job
has this name with a suffix."""

PROVISIONER = "sekisho-provisioner"
"""In a management cluster: the service account that orders clusters, its role and binding, and the
admission policies that guard it."""

PROVISIONER_CLAIM = "sekisho-provisioner-claim"
"""In a management cluster: the ClusterRole without rules that says which Sekisho uses it."""

ORDER_PREFIX = "sekisho-order-"
"""Prefix of the names of an order's role and binding in its management cluster."""

OWNER = "sekisho.io/owner"
"""On the claim: the id of the owner's record of the cluster."""

OWNER_URL = "sekisho.io/owner-url"
"""On the claim: the external URL of the owner."""

AGENT = "sekisho-agent"
"""Name of every object of the agent, in ``sekisho-system``."""

AGENT_IMAGE_ANNOTATION = "sekisho.io/agent-image"
"""On the agent's Deployment: the image that Sekisho wrote. Without it, it is the operator's."""

MANAGED_BY = "app.kubernetes.io/managed-by"
LABELS = {MANAGED_BY: "sekisho", "app.kubernetes.io/part-of": "sekisho"}

PROJECT_LABEL = "sekisho.io/project"
"""On a namespace: its project. On an object that Sekisho manages: the project that it serves."""

CLUSTER_LABEL = "sekisho.io/cluster"
"""On objects that a reconciler creates: Sekisho's id of the cluster. Objects with another id belong
to another Sekisho installation and are never deleted."""

SHARED_LABEL = "sekisho.io/reaches-projects"
"""On a namespace (of an ingress controller): its pods may connect to pods of isolated projects."""

PROJECTS_GROUP = "sekisho.io"
MANAGE_NAMESPACES = "manage-namespaces"
"""The RBAC verb for adding namespaces to a project and removing them, on the resource ``projects``
(name: the project's id) of PROJECTS_GROUP. No API serves that resource."""

SELECTOR = f"{MANAGED_BY}=sekisho,app.kubernetes.io/part-of=sekisho"
"""Label selector for all objects that Sekisho manages."""

RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
_COLLECTIONS = {
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
    "Deployment": ("/apis/apps/v1", "deployments"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "ValidatingAdmissionPolicy": (f"/apis/{ADMISSION}/v1", "validatingadmissionpolicies"),
    "ValidatingAdmissionPolicyBinding": (
        f"/apis/{ADMISSION}/v1",
        "validatingadmissionpolicybindings",
    ),
}


def api_version(kind: str) -> str:
    """Return the ``apiVersion`` of a kind."""
    return _COLLECTIONS[kind][0].removeprefix("/apis/").removeprefix("/api/")


def collection_path(kind: str, namespace: str | None = None) -> str:
    """Return the API path of the collection of a kind."""
    prefix, plural = _COLLECTIONS[kind]
    return f"{prefix}/namespaces/{namespace}/{plural}" if namespace else f"{prefix}/{plural}"


def path_of(manifest: Manifest) -> str:
    """Return the API path of an object."""
    metadata = manifest["metadata"]
    collection = collection_path(manifest["kind"], metadata.get("namespace"))
    # RBAC names may contain any character except / and %, such as a question mark.
    return f"{collection}/{quote(metadata['name'], safe=':')}"


def title(manifest: Manifest) -> str:
    """Return the title of an object, as ``ServiceAccount sekisho-system/sekisho-controller``."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace")
    name = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    return f"{manifest['kind']} {name}"


def is_managed(manifest: Manifest) -> bool:
    """Return whether an existing object has Sekisho's label."""
    labels = manifest["metadata"].get("labels") or {}
    return bool(labels.get(MANAGED_BY) == "sekisho")


def token_path(account: str) -> str:
    """Return the API path of TokenRequests for a service account in ``sekisho-system``."""
    return f"{collection_path('ServiceAccount', NAMESPACE)}/{account}/token"
