"""The roles that are always there, as data."""

from management.authorization.permissions import (
    ALL_CLUSTERS,
    CREATE_CLUSTERS,
    CREATE_PROJECTS,
    NAMESPACES,
    NODES,
    OVERALL_BINDINGS,
    PERMISSIONS,
    ROLES,
    SEARCH,
    SEE_PROJECT,
    USERS,
)
from store.access_records import PolicyRule, Role, Scope
from store.interfaces import ADMINISTRATOR

EVERYTHING = (
    PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), non_resource_urls=("*",)),
)
"""What ``cluster-admin`` may."""

USER_BASE = "user-base"


def _role(
    role_id: str,
    scope: Scope,
    name: str,
    description: str,
    permissions: frozenset[str] | set[str],
    *cluster_roles: str,
) -> Role:
    return Role(
        id=role_id,
        scope=scope,
        name=name,
        description=description,
        permissions=tuple(sorted(permissions)),
        cluster_roles=cluster_roles,
        built_in=True,
    )


BUILT_IN = {
    role.id: role
    for role in (
        _role(
            ADMINISTRATOR,
            "global",
            "administrator",
            "Everything, and cluster-admin in every cluster.",
            PERMISSIONS["global"],
        ),
        _role(
            "restricted-administrator",
            "global",
            "restricted-administrator",
            "Everything but the providers and what only an administrator may hand out.",
            {USERS, ROLES, OVERALL_BINDINGS, CREATE_CLUSTERS, ALL_CLUSTERS, SEARCH},
        ),
        _role(
            "standard-user",
            "global",
            "standard-user",
            "Imports clusters, and finds people to let into them.",
            {CREATE_CLUSTERS, SEARCH},
        ),
        _role(
            USER_BASE,
            "global",
            USER_BASE,
            "Signs in. Everybody holds it, bound or not.",
            set(),
        ),
        _role(
            "cluster-owner",
            "cluster",
            "owner",
            "Everything in the cluster; cluster-admin there.",
            PERMISSIONS["cluster"],
            "cluster-admin",
        ),
        _role(
            "cluster-member",
            "cluster",
            "member",
            "Edits what is in every namespace, and makes projects; edit there.",
            {CREATE_PROJECTS, NODES},
            "edit",
        ),
        _role(
            "cluster-read-only",
            "cluster",
            "read-only",
            "Sees what is in every namespace, but no secrets; view there.",
            {NODES},
            "view",
        ),
        _role(
            "project-owner",
            "project",
            "owner",
            "Everything in the project; admin in its namespaces.",
            PERMISSIONS["project"],
            "admin",
        ),
        _role(
            "project-member",
            "project",
            "member",
            "Edits what is in the project, and makes namespaces; edit in its namespaces.",
            {NAMESPACES, SEE_PROJECT},
            "edit",
        ),
        _role(
            "project-read-only",
            "project",
            "read-only",
            "Sees what is in the project, but no secrets; view in its namespaces.",
            {SEE_PROJECT},
            "view",
        ),
    )
}
"""By id. They can't be changed or deleted."""

OWNER_OF: dict[Scope, str] = {"cluster": "cluster-owner", "project": "project-owner"}
"""What whoever makes a cluster or a project is in it."""
