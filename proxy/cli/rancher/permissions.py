"""Rules of Rancher about its own objects, as permissions of Sekisho. Pure.

Rancher keeps projects and members as objects, so its roles have RBAC rules about them. Such a rule
means nothing in a cluster without Rancher.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_GROUPS = frozenset(
    {
        "management.cattle.io",
        "project.cattle.io",
        "catalog.cattle.io",
        "provisioning.cattle.io",
        "ui.cattle.io",
        "fleet.cattle.io",
        "ext.cattle.io",
        "rke.cattle.io",
        "rke-machine.cattle.io",
        "rke-machine-config.cattle.io",
    }
)
_READS = frozenset({"get", "list", "watch"})

_PERMISSIONS = {
    ("cluster", "clusterroletemplatebindings"): ("cluster.members.read", "cluster.members"),
    ("cluster", "nodes"): ("nodes.read", "nodes.read"),
    ("project", "projectroletemplatebindings"): ("project.read", "project.members"),
}
"""By context and resource: what reading means, and what writing means."""


def about_rancher(rule: Mapping[str, Any]) -> bool:
    """Return whether a rule is about Rancher's objects only."""
    groups = rule.get("apiGroups")
    return isinstance(groups, list) and bool(groups) and all(one in _GROUPS for one in groups)


def permissions_of(rule: Mapping[str, Any], context: str) -> Iterator[str]:
    """Yield the permissions that a rule about Rancher's objects means."""
    verbs = frozenset(one for one in rule.get("verbs") or () if isinstance(one, str))
    if rule.get("resourceNames"):
        return
    for resource in rule.get("resources") or ():
        if resource == "projects" and context == "cluster":
            if "create" in verbs:
                yield "projects.create"
            if "*" in verbs:
                yield "cluster.projects"
        elif (context, resource) in _PERMISSIONS:
            reading, writing = _PERMISSIONS[context, resource]
            if verbs - _READS:
                yield writing
            elif verbs:
                yield reading


def makes_namespaces(rule: Mapping[str, Any]) -> bool:
    """Return whether a rule lets its holder create namespaces, as ``create-ns`` does."""
    named = rule.get("apiGroups"), rule.get("resources")
    return named == ([""], ["namespaces"]) and "create" in (rule.get("verbs") or ())
