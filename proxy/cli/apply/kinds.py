"""The kinds of documents and their fields. Pure.

Roles, projects, and management clusters are complete: a field that a document leaves out has its
default. Users and clusters are not: a field that is left out keeps its value, so that a run does
not enable a user whom an administrator has disabled, nor change the user names in a cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.cli.apply.fields import (
    KEEP,
    Field,
    a_list,
    count,
    dns_label,
    flag,
    mapping,
    name,
    one_of,
    quantities,
    text,
)

API_VERSION = "sekisho.io/v1"

_RULE = {
    "verbs": Field(a_list(name), "verbs", [], required=True),
    "apiGroups": Field(a_list(text), "api_groups", []),
    "resources": Field(a_list(name), "resources", []),
    "resourceNames": Field(a_list(name), "resource_names", []),
    "nonResourceURLs": Field(a_list(name), "non_resource_urls", []),
}

_LIMITS = {
    "default": Field(quantities, "default", {}),
    "defaultRequest": Field(quantities, "default_request", {}),
}

_NAMESPACE = {
    "name": Field(dns_label, "name", required=True),
    "quota": Field(quantities, "quota", {}),
}

_CLASS = {
    "name": Field(name, "name", required=True),
    "roles": Field(a_list(name, as_set=True), "roles", []),
    "clusters": Field(count, "clusters"),
}

_ORDER_LIMITS = {
    "clustersPerUser": Field(count, "clusters_per_user"),
    "workersPerCluster": Field(count, "workers_per_cluster"),
    "workers": Field(count, "workers"),
}

_SUBJECT = {
    "role": Field(name, "role", required=True, identifies=True),
    "user": Field(name, "user", identifies=True),
    "provider": Field(name, "provider", identifies=True),
    "group": Field(name, "group", identifies=True),
    "groupName": Field(text, "name", KEEP, compared=False),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. ``named``: its metadata has a name. ``created``: a run may create it.

    ``labelled``: it has labels of its own. What has none is never pruned.
    """

    name: str
    fields: Mapping[str, Field]
    named: bool = True
    created: bool = True
    labelled: bool = True

    @property
    def pruned(self) -> bool:
        """Whether a run may delete it."""
        return self.created and self.labelled

    def compared(self) -> Mapping[str, Field]:
        """Return the fields whose differences are changes."""
        return {key: one for key, one in self.fields.items() if one.compared and not one.identifies}


USER = Kind(
    "User",
    {
        "provider": Field(name, "provider", identifies=True),
        "displayName": Field(name, "display_name", KEEP),
        "enabled": Field(flag, "enabled", KEEP),
    },
)
ROLE = Kind(
    "Role",
    {
        "scope": Field(one_of("global", "cluster", "project"), "scope", None, True, True),
        "description": Field(text, "description", ""),
        "permissions": Field(a_list(name, as_set=True), "permissions", []),
        "rules": Field(a_list(mapping(_RULE)), "rules", []),
        "clusterRoles": Field(a_list(name, as_set=True), "cluster_roles", []),
        "inherits": Field(a_list(name, as_set=True), "inherits", []),
    },
)
CLUSTER = Kind(
    "Cluster",
    {
        "usernameMapping": Field(one_of("id", "principal", "username"), "username_mapping", KEEP),
        "impersonator": Field(one_of("shared", "per_user"), "impersonator", KEEP),
    },
    created=False,
)
MANAGEMENT = Kind(
    "ManagementCluster",
    {
        "namespace": Field(dns_label, "namespace", required=True),
        "classes": Field(a_list(mapping(_CLASS, complete=False)), "classes", []),
        "limits": Field(mapping(_ORDER_LIMITS, complete=False), "limits", {}),
    },
    labelled=False,
)
PROJECT = Kind(
    "Project",
    {
        "cluster": Field(name, "cluster", required=True, identifies=True),
        "description": Field(text, "description", ""),
        "quota": Field(quantities, "quota", {}),
        "namespaceQuota": Field(quantities, "namespace_quota", {}),
        "containerLimits": Field(
            mapping(_LIMITS), "container_limits", {"default": {}, "defaultRequest": {}}
        ),
        "isolated": Field(flag, "isolated", False),
        "namespaces": Field(a_list(mapping(_NAMESPACE)), "namespaces", KEEP),
    },
)
BINDING = Kind("Binding", _SUBJECT, named=False)
MEMBER = Kind(
    "Member",
    {
        "cluster": Field(name, "cluster", required=True, identifies=True),
        "project": Field(name, "project", identifies=True),
        **_SUBJECT,
    },
    named=False,
)

KINDS = {one.name: one for one in (USER, CLUSTER, ROLE, MANAGEMENT, PROJECT, BINDING, MEMBER)}
"""In the order in which they are applied. Pruning goes in the reverse order."""

ORDER = {kind: position for position, kind in enumerate(KINDS)}


def api_names(value: Any, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return a mapping with the API's names of its fields."""
    return {fields[key].api: one for key, one in value.items()}


def rule_of_api(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of the API as a document has it."""
    return {key: list(rule.get(one.api) or ()) for key, one in _RULE.items()}


def rule_to_api(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document's rule as the API takes it."""
    return api_names(rule, _RULE)


def limits_of_api(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of containers as a document has them."""
    return {key: dict(sorted((limits.get(one.api) or {}).items())) for key, one in _LIMITS.items()}


def limits_to_api(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of containers as the API takes them."""
    return api_names(limits, _LIMITS)


def class_of_api(one: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a class that may be ordered from, as a document has it.

    ``names`` are those of roles, by id.
    """
    return class_document({**one, "roles": [names.get(role, role) for role in one["roles"]]})


def class_document(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a class in its canonical form: without what is empty, and with roles in order."""
    found: dict[str, Any] = {"name": str(one["name"])}
    if one.get("roles"):
        found["roles"] = sorted(set(one["roles"]))
    if one.get("clusters") is not None:
        found["clusters"] = one["clusters"]
    return found


def order_limits_of_api(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a management cluster as a document has them."""
    found = {key: limits.get(one.api) for key, one in _ORDER_LIMITS.items()}
    return {key: value for key, value in found.items() if value is not None}


def order_limits_to_api(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a management cluster as the API takes them; null: the settings'."""
    return {one.api: limits.get(key) for key, one in _ORDER_LIMITS.items()}
