"""Who may say to which project a namespace belongs, enforced by the cluster itself.

A namespace's label decides who may enter it, and many may change labels of namespaces. A
ValidatingAdmissionPolicy (Kubernetes 1.30) asks the cluster's own authorizer whether whoever
changes the label may do so with both projects. Where there is none, labels are not believed.
"""

from typing import Any

from management.downstream.objects import (
    LABELS,
    MANAGE_NAMESPACES,
    PROJECT_LABEL,
    PROJECTS_GROUP,
    SHARED_LABEL,
    Manifest,
    api_version,
)

NAME = "sekisho-project-labels"


def guard() -> list[Manifest]:
    """The policy, and what puts it into force."""
    return [
        _object(
            "ValidatingAdmissionPolicy",
            {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [_NAMESPACES]},
                "variables": [
                    _label("before", "oldObject", PROJECT_LABEL),
                    _label("after", "object", PROJECT_LABEL),
                    _label("sharedBefore", "oldObject", SHARED_LABEL),
                    _label("sharedAfter", "object", SHARED_LABEL),
                ],
                "validations": [
                    _may("variables.before", "take a namespace out of"),
                    _may("variables.after", "put a namespace into"),
                    {
                        "expression": "variables.sharedBefore == variables.sharedAfter || "
                        + _allowed(None),
                        "message": f"only who manages all projects may change {SHARED_LABEL}",
                        "reason": "Forbidden",
                    },
                ],
            },
        ),
        _object(
            "ValidatingAdmissionPolicyBinding",
            {"policyName": NAME, "validationActions": ["Deny"]},
        ),
    ]


_NAMESPACES = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    # Labels can be changed by way of the subresources, too.
    "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
}


def _label(name: str, of: str, label: str) -> dict[str, str]:
    value = f"{of}.metadata.?labels[?'{label}'].orValue('')"
    return {"name": name, "expression": f"{of} == null ? '' : {value}"}


def _allowed(name: str | None) -> str:
    named = f".name({name})" if name else ""
    return (
        f"authorizer.group('{PROJECTS_GROUP}').resource('projects'){named}"
        f".check('{MANAGE_NAMESPACES}').allowed()"
    )


def _may(project: str, what: str) -> dict[str, str]:
    unchanged = "variables.before == variables.after"
    return {
        "expression": f"{unchanged} || {project} == '' || {_allowed(project)}",
        "messageExpression": f"'you may not {what} project ' + {project}",
        "reason": "Forbidden",
    }


def _object(kind: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": NAME, "labels": dict(LABELS)}
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, "spec": spec}
