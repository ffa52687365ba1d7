"""What is taken from Rancher's objects. Pure.

Only the fields below are read: Rancher's objects may also have hashes of passwords, tokens and
kubeconfigs, which never leave this module. An object of the wrong form has empty fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from config.bounded_json import InvalidJson, load_json
from management.kubernetes.validation import mapping

Manifest = Mapping[str, Any]
Kind = Literal["user", "group"]

LONGEST = 1024
"""Characters of a text; what is longer is cut. Names and distinguished names are shorter."""

PROJECT_ID = "field.cattle.io/projectId"
NAMESPACE_QUOTA = "field.cattle.io/resourceQuota"
NAMESPACE_LIMITS = "field.cattle.io/containerDefaultResourceLimit"
"""Annotations of namespaces. The first is ``<cluster>:<project>``, the others are JSON."""


@dataclass(frozen=True, slots=True)
class RancherUser:
    """A user. ``logins`` are names at providers, by provider."""

    id: str
    username: str
    display_name: str
    enabled: bool
    principals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoleTemplate:
    """A role in clusters or projects. ``context`` is ``cluster``, ``project`` or empty."""

    id: str
    name: str
    description: str
    context: str
    rules: tuple[Mapping[str, Any], ...]
    inherits: tuple[str, ...]
    external: bool
    external_rules: bool
    built_in: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class GlobalRole:
    """A role in Rancher. ``in_clusters`` are the role templates that it grants in every cluster."""

    id: str
    name: str
    built_in: bool
    in_clusters: tuple[str, ...]
    local_rules: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """Who holds a role: a user's id, or a principal. ``other`` is a subject of another form."""

    user: str = ""
    principal: str = ""
    kind: Kind = "user"
    other: str = ""

    @property
    def shown(self) -> str:
        """Return the name that Rancher has for it."""
        return self.principal or self.user or self.other


@dataclass(frozen=True, slots=True)
class Grant:
    """A binding. ``cluster`` empty: a global role; ``project`` empty: a role in the cluster."""

    name: str
    role: str
    subject: Subject
    cluster: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True)
class RancherCluster:
    """A cluster. ``name`` is what users see. ``pod_security`` names a template of Rancher."""

    id: str
    name: str
    pod_security: str = ""


@dataclass(frozen=True, slots=True)
class RancherProject:
    """A project. Quotas and limits have Rancher's names of resources."""

    id: str
    cluster: str
    name: str
    description: str
    quota: Mapping[str, Any] = field(default_factory=dict)
    namespace_quota: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProjectNamespace:
    """A namespace that is in a project."""

    name: str
    cluster: str
    project: str
    quota: Mapping[str, Any]
    limits: Mapping[str, Any]


def user_of(manifest: Manifest) -> RancherUser:
    """Return a User."""
    return RancherUser(
        name_of(manifest),
        _text(manifest.get("username")),
        _text(manifest.get("displayName")),
        manifest.get("enabled") is not False,
        _texts(manifest.get("principalIds")),
    )


def logins_of(manifest: Manifest) -> dict[str, str]:
    """Return the login names that a UserAttribute has, by principal."""
    found = {}
    for extra in mapping(manifest.get("ExtraByProvider")).values():
        names, principals = (_texts(mapping(extra).get(key)) for key in ("username", "principalid"))
        if len(names) == len(principals) == 1:
            found[principals[0]] = names[0]
    return found


def group_names_of(manifest: Manifest) -> dict[str, str]:
    """Return the display names that a UserAttribute has of groups, by principal."""
    found = {}
    for listed in mapping(manifest.get("GroupPrincipals")).values():
        for one in _list(mapping(listed).get("Items")):
            principal = _text(mapping(mapping(one).get("metadata")).get("name"))
            shown = _text(mapping(one).get("displayName"))
            if principal and shown:
                found[principal] = shown
    return found


def role_template_of(manifest: Manifest) -> RoleTemplate:
    """Return a RoleTemplate."""
    return RoleTemplate(
        name_of(manifest),
        _text(manifest.get("displayName")),
        _text(manifest.get("description")),
        _text(manifest.get("context")),
        tuple(one for one in _list(manifest.get("rules")) if isinstance(one, Mapping)),
        _texts(manifest.get("roleTemplateNames")),
        manifest.get("external") is True,
        bool(manifest.get("externalRules")),
        manifest.get("builtin") is True,
        manifest.get("locked") is True,
    )


def global_role_of(manifest: Manifest) -> GlobalRole:
    """Return a GlobalRole."""
    local = ("rules", "namespacedRules", "inheritedFleetWorkspacePermissions")
    return GlobalRole(
        name_of(manifest),
        _text(manifest.get("displayName")),
        manifest.get("builtin") is True,
        _texts(manifest.get("inheritedClusterRoles")),
        any(manifest.get(key) for key in local),
    )


def global_grant_of(manifest: Manifest) -> Grant:
    """Return a GlobalRoleBinding."""
    return Grant(name_of(manifest), _text(manifest.get("globalRoleName")), _subject(manifest))


def cluster_grant_of(manifest: Manifest) -> Grant:
    """Return a ClusterRoleTemplateBinding."""
    role, cluster = (_text(manifest.get(key)) for key in ("roleTemplateName", "clusterName"))
    return Grant(name_of(manifest), role, _subject(manifest), cluster)


def project_grant_of(manifest: Manifest) -> Grant:
    """Return a ProjectRoleTemplateBinding."""
    cluster, _, project = _text(manifest.get("projectName")).partition(":")
    role = _text(manifest.get("roleTemplateName"))
    return Grant(name_of(manifest), role, _subject(manifest), cluster, project or "-")


def cluster_of(manifest: Manifest) -> RancherCluster:
    """Return a Cluster, which may have credentials in other fields."""
    spec = mapping(manifest.get("spec"))
    template = _text(spec.get("defaultPodSecurityAdmissionConfigurationTemplateName"))
    return RancherCluster(name_of(manifest), _text(spec.get("displayName")), template)


def project_of(manifest: Manifest) -> RancherProject:
    """Return a Project."""
    spec = mapping(manifest.get("spec"))
    return RancherProject(
        name_of(manifest),
        _text(spec.get("clusterName")),
        _text(spec.get("displayName")),
        _text(spec.get("description")),
        mapping(mapping(spec.get("resourceQuota")).get("limit")),
        mapping(mapping(spec.get("namespaceDefaultResourceQuota")).get("limit")),
        mapping(spec.get("containerDefaultResourceLimit")),
    )


def namespace_of(manifest: Manifest) -> ProjectNamespace | None:
    """Return a Namespace; None if it is in no project."""
    annotations = mapping(mapping(manifest.get("metadata")).get("annotations"))
    cluster, separator, project = _text(annotations.get(PROJECT_ID)).partition(":")
    if not separator:
        return None
    quota = mapping(_json(annotations.get(NAMESPACE_QUOTA)).get("limit"))
    limits = _json(annotations.get(NAMESPACE_LIMITS))
    return ProjectNamespace(name_of(manifest), cluster, project, quota, limits)


def name_of(manifest: Manifest) -> str:
    """Return the name of an object."""
    return _text(mapping(manifest.get("metadata")).get("name"))


def _subject(manifest: Manifest) -> Subject:
    user, principal, group = (
        _text(manifest.get(key)) for key in ("userName", "userPrincipalName", "groupPrincipalName")
    )
    other = _text(manifest.get("groupName")) or _text(manifest.get("serviceAccount"))
    return Subject(user, principal or group, "group" if group else "user", other)


def _json(value: object) -> Mapping[str, Any]:
    try:
        return mapping(load_json(_text(value) or "{}"))
    except InvalidJson:
        return {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(one) for one in _list(value) if isinstance(one, str))


def _text(value: object) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""
