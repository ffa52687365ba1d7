"""Roles and bindings for tests, in the form of the Kubernetes API."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from management.access.rbac_objects import ClusterRbac, binding_from, role_from
from management.kubernetes.manifests import RBAC

READ_AT = datetime(2026, 11, 29, 12, tzinfo=UTC)


def rule(verbs: str, resources: str = "", groups: str = "", **more: Any) -> dict[str, Any]:
    """Return a rule; lists are separated by commas."""
    found: dict[str, Any] = {"verbs": verbs.split(","), **more}
    if resources:
        found |= {"resources": resources.split(","), "apiGroups": groups.split(",")}
    return found


def role(name: str, *rules: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    """Return a ClusterRole, or a Role in a namespace."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = "Role" if namespace else "ClusterRole"
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": list(rules),
    }


def subject(text: str) -> dict[str, str]:
    """Return a subject from ``User:alice``, ``Group:devs`` or ``ServiceAccount:ns/name``."""
    kind, _, name = text.partition(":")
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return {"kind": kind, "namespace": namespace, "name": account}
    return {"kind": kind, "apiGroup": RBAC, "name": name}


def binding(
    name: str, reference: str, *subjects: str, namespace: str = "", managed: bool = False
) -> dict[str, Any]:
    """Return a binding to ``ClusterRole/name`` or ``Role/name``."""
    kind, _, role_name = reference.partition("/")
    labels = {"app.kubernetes.io/managed-by": "sekisho"} if managed else {}
    metadata = {"name": name, "labels": labels}
    if namespace:
        metadata["namespace"] = namespace
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role_name},
        "subjects": [subject(one) for one in subjects],
    }


def rbac_of(objects: Iterable[dict[str, Any]]) -> ClusterRbac:
    """Return the objects as Sekisho reads them."""
    every = list(objects)
    roles = [role_from(one) for one in every if "rules" in one]
    bindings = [binding_from(one) for one in every if "roleRef" in one]
    return ClusterRbac(
        roles={(one.namespace, one.name): one for one in roles}, bindings=bindings, read_at=READ_AT
    )
