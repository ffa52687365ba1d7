"""The built-in roles, as data."""

from management.authorization.permissions import (
    ALL_CLUSTERS,
    AUDIT,
    CREATE_CLUSTERS,
    CREATE_PROJECTS,
    NAMESPACES,
    NODES,
    OVERALL_BINDINGS,
    PERMISSIONS,
    PROVISION_CLUSTERS,
    READ_BINDINGS,
    READ_CLUSTERS,
    READ_PROVIDERS,
    READ_TOKENS,
    READ_USERS,
    ROLES,
    SEARCH,
    SEE_PROJECT,
    USERS,
)
from store.access_records import PolicyRule, Role, Scope
from store.records import ADMINISTRATOR

EVERYTHING = (
    PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), non_resource_urls=("*",)),
)
"""The rules of ``cluster-admin``."""

USER_BASE, AUDITOR = "user-base", "auditor"


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
            "Everything except the providers and the roles that only an administrator may grant.",
            {
                *(USERS, ROLES, OVERALL_BINDINGS, CREATE_CLUSTERS, PROVISION_CLUSTERS),
                *(ALL_CLUSTERS, SEARCH, AUDIT),
            },
        ),
        _role(
            AUDITOR,
            "global",
            AUDITOR,
            "Reads everything in Sekisho and all audit events, and changes nothing.",
            {
                *(READ_USERS, READ_TOKENS, READ_BINDINGS, READ_PROVIDERS, READ_CLUSTERS),
                *(AUDIT, SEARCH),
            },
        ),
        _role(
            "standard-user",
            "global",
            "standard-user",
            "Imports clusters, and searches users and groups to grant them access.",
            {CREATE_CLUSTERS, SEARCH},
        ),
        _role(
            "provisioner",
            "global",
            "provisioner",
            "Orders clusters, and searches users and groups to grant them access.",
            {PROVISION_CLUSTERS, SEARCH},
        ),
        _role(
            USER_BASE,
            "global",
            USER_BASE,
            "Signs in. Every user holds it, bound or not.",
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
            "Edits objects in every namespace, and creates projects; edit there.",
            {CREATE_PROJECTS, NODES},
            "edit",
        ),
        _role(
            "cluster-read-only",
            "cluster",
            "read-only",
            "Reads objects in every namespace, except secrets; view there.",
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
            "Edits objects in the project, and creates namespaces; edit in its namespaces.",
            {NAMESPACES, SEE_PROJECT},
            "edit",
        ),
        _role(
            "project-read-only",
            "project",
            "read-only",
            "Reads objects in the project, except secrets; view in its namespaces.",
            {SEE_PROJECT},
            "view",
        ),
    )
}
"""Built-in roles by id. They cannot be changed or deleted."""

OWNER_OF: dict[Scope, str] = {"cluster": "cluster-owner", "project": "project-owner"}
"""The role of a user in the cluster or project that the user creates."""
