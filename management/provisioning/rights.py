"""Sekisho's account in a management cluster, and what it may do there. Pure.

The account has rights in one namespace only. It may write Clusters and read what the engine makes
of them. It has no right on a Secret, except to read the kubeconfigs of its own orders by their
names (:func:`order_rights`): the Secrets beside them hold the private keys of the created clusters.
:mod:`.guard` limits which Clusters it may change.

All objects have Sekisho's labels, so that removing Sekisho from the cluster finds them, and no
label of a cluster record, so that its reconciler leaves them alone.
"""

from typing import Any

from management.kubernetes.manifests import (
    LABELS,
    NAMESPACE,
    ORDER_PREFIX,
    PROVISIONER,
    RBAC,
    Manifest,
    api_version,
)
from management.provisioning.engine import (
    CLASSES,
    CLUSTERS,
    DEPLOYMENTS,
    GROUP,
    MACHINES,
    POOLS,
    SUFFIX,
)

USERNAME = f"system:serviceaccount:{NAMESPACE}:{PROVISIONER}"
"""The account's name, as the cluster's API server sees it."""

READ = ("get", "list", "watch")


def account() -> Manifest:
    """Return the account."""
    return _object("ServiceAccount", PROVISIONER, NAMESPACE)


def account_objects(namespace: str) -> list[Manifest]:
    """Return the account with its role, and the binding in the namespace of the Clusters."""
    rules = [
        {
            "apiGroups": [GROUP],
            "resources": [CLUSTERS],
            "verbs": [*READ, "create", "patch", "delete"],
        },
        {
            "apiGroups": [GROUP],
            "resources": [CLASSES, DEPLOYMENTS, POOLS, MACHINES],
            "verbs": list(READ),
        },
    ]
    return [
        account(),
        {**_object("ClusterRole", PROVISIONER), "rules": rules},
        _binding(PROVISIONER, namespace),
    ]


def order_name(order_id: str) -> str:
    """Return the name of the role and the binding of an order."""
    return ORDER_PREFIX + order_id


def order_rights(order_id: str, engine_name: str, namespace: str) -> list[Manifest]:
    """Return the right to read the kubeconfig of one order's Cluster, and nothing else."""
    name = order_name(order_id)
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [engine_name + SUFFIX],
        "verbs": ["get"],
    }
    return [{**_object("ClusterRole", name), "rules": [rule]}, _binding(name, namespace)]


def _binding(name: str, namespace: str) -> Manifest:
    return {
        **_object("RoleBinding", name, namespace),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": NAMESPACE, "name": PROVISIONER}],
    }


def _object(kind: str, name: str, namespace: str | None = None) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "labels": dict(LABELS)}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata}
