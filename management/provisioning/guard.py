"""The guard: admission policies for Sekisho's account in a management cluster. Pure.

RBAC cannot restrict an account to the Clusters that it created. This ValidatingAdmissionPolicy
(Kubernetes 1.30) does, also for a thief of its token: it may create only Clusters with Sekisho's
label and a topology, change and delete only those, and neither label a Cluster nor take the label
away. It may not touch finalizers, owners, or references to provider objects either, by which it
could abandon machines or take over those of others.

A second policy keeps the namespace out of projects, whose members could read its Secrets.
"""

from collections.abc import Sequence
from typing import Any

from management.kubernetes.manifests import (
    CLUSTER_LABEL,
    LABELS,
    PROJECT_LABEL,
    PROVISIONER,
    Manifest,
    api_version,
)
from management.provisioning.engine import CLUSTERS, GROUP
from management.provisioning.rights import USERNAME

NAMESPACE_GUARD = f"{PROVISIONER}-namespace"

POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"

_BEFORE = f"oldObject.metadata.?labels[?'{CLUSTER_LABEL}'].orValue('')"
_AFTER = f"object.metadata.?labels[?'{CLUSTER_LABEL}'].orValue('')"


def guard(*namespaces: str) -> list[Manifest]:
    """Return the policies and the bindings that activate them.

    There are several namespaces while the Clusters' namespace changes.
    """
    return [*_of_clusters(), *_of_namespaces(sorted(set(namespaces)))]


def _of_clusters() -> list[Manifest]:
    """Return the policy about Clusters."""
    policy: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                    "resources": [CLUSTERS, f"{CLUSTERS}/*"],
                }
            ]
        },
        "matchConditions": [
            {"name": "provisioner", "expression": f"request.userInfo.username == '{USERNAME}'"}
        ],
        "validations": [
            _validation(
                f"oldObject == null || {_BEFORE} != ''",
                f"the Cluster has no label {CLUSTER_LABEL}, so it is not Sekisho's",
            ),
            _validation(
                f"object == null || {_AFTER} != ''",
                f"a Cluster of Sekisho's has the label {CLUSTER_LABEL}",
            ),
            _validation(
                f"object == null || oldObject == null || {_BEFORE} == {_AFTER}",
                f"the label {CLUSTER_LABEL} does not change",
            ),
            _validation(
                "object == null || has(object.spec.topology)",
                "a Cluster of Sekisho's has a topology",
            ),
            *(_unchanged("metadata", field) for field in ("finalizers", "ownerReferences")),
            *(_unchanged("spec", field) for field in ("controlPlaneRef", "infrastructureRef")),
        ],
    }
    return _active(PROVISIONER, policy)


def _of_namespaces(namespaces: Sequence[str]) -> list[Manifest]:
    """Return the policy that lets no user put one of the namespaces into a project."""
    names = ", ".join(f"'{one}'" for one in namespaces)
    policy: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
                }
            ]
        },
        "matchConditions": [
            {
                "name": "namespace",
                "expression": f"object.metadata.?name.orValue('') in [{names}]",
            }
        ],
        "validations": [
            _validation(
                f"object.metadata.?labels[?'{PROJECT_LABEL}'].orValue('') == ''",
                "the Secrets in this namespace open clusters that were created to order, and "
                "members of a project could read them: it can belong to no project",
            )
        ],
    }
    return _active(NAMESPACE_GUARD, policy)


def _active(name: str, policy: dict[str, Any]) -> list[Manifest]:
    """Return a policy and its binding."""
    binding: dict[str, Any] = {"policyName": name, "validationActions": ["Deny"]}
    return [_object(POLICY, name, policy), _object(BINDING, name, binding)]


def _unchanged(parent: str, field: str) -> dict[str, str]:
    """Return the validation that a field does not change, and that a new object lacks it."""
    before, after = f"oldObject.{parent}.?{field}", f"object.{parent}.?{field}"
    return _validation(
        f"object == null || (oldObject == null ? !{after}.hasValue() : {before} == {after})",
        f"Sekisho does not set {parent}.{field} of a Cluster",
    )


def _validation(expression: str, message: str) -> dict[str, str]:
    return {
        "expression": expression,
        "message": message,
        "reason": "Forbidden",
    }


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "labels": dict(LABELS)}
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, "spec": spec}
