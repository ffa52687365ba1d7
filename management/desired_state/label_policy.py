"""The label policy: an admission policy that protects the labels of namespaces. Pure.

A namespace's project label decides who has access to it, and many subjects may change labels of
namespaces. A ValidatingAdmissionPolicy (Kubernetes 1.30) therefore checks with the cluster's own
authorizer that the caller may manage the namespaces of both projects. In a cluster without that
API, labels are not trusted.

Cluster-wide policies depend on labels, annotations and names of namespaces as well: Pod Security,
injection into pods, exclusions of admission webhooks. Project members may change their namespaces,
so these guarded keys (:class:`config.namespace_settings.NamespaceSettings`) and system names are
reserved for callers who manage all projects of the cluster, and for the cluster's own controllers:
``system:`` users whose rights cover every namespace (docs/decisions/0029-namespace-metadata.md).
"""

import json
from collections.abc import Container, Iterable
from typing import Any

from config.namespace_settings import RESERVED_PREFIX, NamespaceSettings, split_patterns
from management.kubernetes.manifests import (
    LABELS,
    MANAGE_NAMESPACES,
    NAMESPACE,
    PROJECT_LABEL,
    PROJECTS_GROUP,
    SHARED_LABEL,
    Manifest,
    api_version,
)

NAME = "sekisho-project-labels"

_NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server sets it on every namespace."""


def label_policy(settings: NamespaceSettings | None = None) -> list[Manifest]:
    """Return the policy and the binding that activates it."""
    settings = settings or NamespaceSettings()
    return [
        _object(
            "ValidatingAdmissionPolicy",
            {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [_NAMESPACES]},
                "variables": [
                    *_placement(),
                    *_callers(),
                    *_changes("labels", settings),
                    *_changes("annotations", settings),
                    _variable("system", _system(settings)),
                ],
                "validations": [*_project_changes(), *_keys(), *_names(), *_ends()],
            },
        ),
        _object(
            "ValidatingAdmissionPolicyBinding",
            {"policyName": NAME, "validationActions": ["Deny"]},
        ),
    ]


def is_installed(observed: Container[tuple[str, str, str]]) -> bool:
    """Return whether the policy and its binding are among objects (by kind, namespace and name)."""
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    return all((kind, "", NAME) in observed for kind in kinds)


_NAMESPACES = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE", "DELETE"],
    # Labels can be changed through the subresources as well.
    "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
}


def _placement() -> list[dict[str, str]]:
    """Return variables: the project before and after, the name, and the shared label."""
    return [
        _variable("name", "oldObject != null ? oldObject.metadata.name : " + _NEW_NAME),
        *_both("before", "after", PROJECT_LABEL),
        *_both("sharedBefore", "sharedAfter", SHARED_LABEL),
    ]


# Before a name is generated, its prefix is checked.
_NEW_NAME = (
    "(object.metadata.?name.orValue('') != '' ? object.metadata.name : "
    "object.metadata.?generateName.orValue(''))"
)


def _both(before: str, after: str, label: str) -> list[dict[str, str]]:
    """Return variables with a label's value before and after. A deletion changes no label."""
    value = f"metadata.?labels[?'{label}'].orValue('')"
    return [
        _variable(before, f"oldObject == null ? '' : oldObject.{value}"),
        _variable(after, f"object == null ? variables.{before} : object.{value}"),
    ]


def _callers() -> list[dict[str, str]]:
    """Return variables: the caller's rights on projects and on every namespace."""
    every = "authorizer.group('').resource('namespaces').check('{}').allowed()"
    return [
        _variable("manages", _allowed(None)),
        _variable(
            "reachesAll",
            f"request.operation == 'CREATE' ? {every.format('create')} : "
            f"request.operation == 'DELETE' ? {every.format('delete')} : "
            f"({every.format('update')} || {every.format('patch')})",
        ),
        _variable(
            "trusted",
            "variables.manages || (variables.reachesAll && "
            "request.userInfo.username.startsWith('system:'))",
        ),
    ]


def _changes(what: str, settings: NamespaceSettings) -> list[dict[str, str]]:
    """Return variables: labels (or annotations) before and after, and changed guarded keys."""
    before, after = f"variables.{what}Before", f"variables.{what}After"
    held = f"metadata.?{what}.orValue({{}})"
    differs = f"!(k in {after} && {after}[k] == {before}[k])"
    guarded = _guarded(settings)
    return [
        _variable(f"{what}Before", f"oldObject == null ? {{}} : oldObject.{held}"),
        _variable(f"{what}After", f"object == null ? {before} : object.{held}"),
        _variable(
            f"{what}Guarded",
            f"{before}.filter(k, {differs} && {guarded}) + "
            f"{after}.filter(k, !(k in {before}) && {guarded})",
        ),
    ]


def _guarded(settings: NamespaceSettings) -> str:
    """Return a CEL expression for NamespaceSettings.is_guarded of the key ``k``."""
    guarded = _matches("k", [*settings.guarded_keys, f"{RESERVED_PREFIX}*"])
    free = _matches("k", settings.free_keys)
    # Separate validations cover the project labels. Clients cannot change the name label.
    apart = f"k in {_list([PROJECT_LABEL, SHARED_LABEL, _NAME_LABEL])}"
    return f"!({apart}) && ({guarded} || (k.contains('/') && !{free}))"


def _system(settings: NamespaceSettings) -> str:
    return _matches("variables.name", [*settings.system_names, NAMESPACE])


def _matches(text: str, patterns: Iterable[str]) -> str:
    names, beginnings = split_patterns(patterns)
    return f"({text} in {_list(names)} || {_list(beginnings)}.exists(p, {text}.startsWith(p)))"


def _list(words: list[str]) -> str:
    """Return a CEL list. JSON strings are valid in CEL."""
    return f"[{', '.join(map(json.dumps, words))}]"


def _project_changes() -> list[dict[str, str]]:
    """Return validations: who may add a namespace to a project, and remove it."""
    return [
        _may("variables.before", "take a namespace out of"),
        _may("variables.after", "put a namespace into"),
        _validation(
            "oldObject == null || variables.before != '' || variables.after == '' || "
            "variables.manages",
            "'the namespace is in no project: only who manages all projects of the cluster may put "
            "it into one; ask an owner of the cluster'",
        ),
        _validation(
            "variables.sharedBefore == variables.sharedAfter || variables.manages",
            f"'only who manages all projects may change {SHARED_LABEL}'",
        ),
    ]


def _keys() -> list[dict[str, str]]:
    """Return validations: who may change guarded labels and annotations."""
    return [
        _validation(
            f"variables.{what}Guarded.size() == 0 || variables.trusted",
            f"'only who manages all projects of the cluster may change these {what}: ' + "
            f"variables.{what}Guarded.join(', ') + '; ask an owner of the cluster'",
        )
        for what in ("labels", "annotations")
    ]


def _names() -> list[dict[str, str]]:
    """Return validations: who may create, move and delete namespaces of the cluster itself."""
    return [
        _validation(
            "!variables.system || (request.operation == 'UPDATE' ? "
            "(variables.before == variables.after || variables.manages) : variables.trusted)",
            "variables.name + ' is a name of the cluster itself: only who manages all projects of "
            "the cluster may make, place or delete such a namespace'",
        )
    ]


def _ends() -> list[dict[str, str]]:
    """Return validations: who may change finalizers and owner references."""
    found = []
    for what in ("finalizers", "ownerReferences"):
        held = f"metadata.?{what}.orValue([])"
        found.append(
            _validation(
                f"object == null || object.{held} == (oldObject == null ? [] : oldObject.{held}) "
                "|| variables.trusted",
                f"'only who manages all projects of the cluster may change a namespace\\'s {what}'",
            )
        )
    return found


def _allowed(name: str | None) -> str:
    named = f".name({name})" if name else ""
    return (
        f"authorizer.group('{PROJECTS_GROUP}').resource('projects'){named}"
        f".check('{MANAGE_NAMESPACES}').allowed()"
    )


def _may(project: str, what: str) -> dict[str, str]:
    unchanged = "variables.before == variables.after"
    return _validation(
        f"{unchanged} || {project} == '' || {_allowed(project)}",
        f"'you may not {what} project ' + {project}",
    )


def _variable(name: str, expression: str) -> dict[str, str]:
    return {"name": name, "expression": expression}


def _validation(expression: str, message: str) -> dict[str, str]:
    return {"expression": expression, "messageExpression": message, "reason": "Forbidden"}


def _object(kind: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": NAME, "labels": dict(LABELS)}
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, "spec": spec}
