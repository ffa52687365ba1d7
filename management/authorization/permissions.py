"""The permissions of Sekisho. A role has them beside rules of Kubernetes RBAC.

A permission is held globally, in a cluster, or in a project. :data:`IMPLIED` lists the permissions
that imply others in a narrower scope, and :data:`READS` those that imply one in the same place.
"""

from collections.abc import Iterable
from typing import Final

from store.access_records import Scope

USERS: Final = "users.manage"
"""Read, create, change, disable and delete users, and their tokens and passwords."""

READ_USERS: Final = "users.read"
"""Read all users and groups."""

READ_TOKENS: Final = "tokens.read"
"""Read the tokens of all users, without secrets. Managers of users need it for users who hold more
than they do."""

ROLES: Final = "roles.manage"
"""Create and change roles."""

OVERALL_BINDINGS: Final = "bindings.manage"
"""Grant and remove global roles."""

READ_BINDINGS: Final = "bindings.read"
"""Read who holds global roles."""

PROVIDERS: Final = "providers.manage"
"""Add, change and remove authentication providers."""

READ_PROVIDERS: Final = "providers.read"
"""Read the settings of authentication providers, without secrets, and their state."""

CREATE_CLUSTERS: Final = "clusters.create"
"""Import clusters, and own the imported ones."""

PROVISION_CLUSTERS: Final = "clusters.provision"
"""Order clusters from the classes of management clusters, and own the ordered ones. Their machines
cost money, so the permission to import does not include it."""

ALL_CLUSTERS: Final = "clusters.manage"
"""Own every cluster: enter it as its administrator, change it, remove it."""

READ_CLUSTERS: Final = "clusters.read"
"""Read the record, members, nodes and projects of every cluster, without entering it."""

SEARCH: Final = "principals.search"
"""Search users and groups at the providers."""

AUDIT: Final = "audit.read"
"""Search all audit events."""

EDIT_CLUSTER: Final = "cluster.edit"
"""Change the cluster's record, and remove it."""

READ_CLUSTER: Final = "cluster.read"
"""Read the cluster's record with its addresses."""

CLUSTER_MEMBERS: Final = "cluster.members"
"""Read and change the members of the cluster."""

READ_CLUSTER_MEMBERS: Final = "cluster.members.read"
"""Read the members of the cluster."""

ALL_PROJECTS: Final = "cluster.projects"
"""Own every project of the cluster, and assign namespaces to projects."""

CREATE_PROJECTS: Final = "projects.create"
"""Create projects in the cluster, and own the created ones."""

NODES: Final = "nodes.read"
"""Read the cluster's nodes, events and metrics."""

CLUSTER_AUDIT: Final = "cluster.audit"
"""Search the audit events of the cluster."""

EDIT_PROJECT: Final = "project.edit"
"""Change the project, and delete it."""

PROJECT_MEMBERS: Final = "project.members"
"""Read and change the members of the project."""

NAMESPACES: Final = "project.namespaces"
"""Create namespaces in the project, move them in and out, delete them."""

SEE_PROJECT: Final = "project.read"
"""Read the project, its namespaces and its members."""

PROJECT_AUDIT: Final = "project.audit"
"""Search the audit events in the project's namespaces."""

PERMISSIONS: Final[dict[Scope, frozenset[str]]] = {
    "global": frozenset(
        {
            *(USERS, ROLES, OVERALL_BINDINGS, PROVIDERS, CREATE_CLUSTERS, ALL_CLUSTERS, SEARCH),
            *(READ_USERS, READ_TOKENS, READ_BINDINGS, READ_PROVIDERS, READ_CLUSTERS, AUDIT),
            PROVISION_CLUSTERS,
        }
    ),
    "cluster": frozenset(
        {
            *(EDIT_CLUSTER, CLUSTER_MEMBERS, ALL_PROJECTS, CREATE_PROJECTS),
            *(READ_CLUSTER, READ_CLUSTER_MEMBERS, NODES, CLUSTER_AUDIT),
        }
    ),
    "project": frozenset({EDIT_PROJECT, PROJECT_MEMBERS, NAMESPACES, SEE_PROJECT, PROJECT_AUDIT}),
}

IMPLIED: Final[dict[str, frozenset[str]]] = {
    ALL_CLUSTERS: PERMISSIONS["cluster"],
    ALL_PROJECTS: PERMISSIONS["project"],
    READ_CLUSTERS: frozenset({READ_CLUSTER, READ_CLUSTER_MEMBERS, NODES, SEE_PROJECT}),
}
"""The permissions that a wider one grants in each cluster, or in each project of the cluster."""

READS: Final[dict[str, str]] = {
    USERS: READ_USERS,
    OVERALL_BINDINGS: READ_BINDINGS,
    PROVIDERS: READ_PROVIDERS,
    ALL_CLUSTERS: READ_CLUSTERS,
    EDIT_CLUSTER: READ_CLUSTER,
    CLUSTER_MEMBERS: READ_CLUSTER_MEMBERS,
}
"""The permission to read that the permission to change grants in the same place."""


def with_reads(permissions: Iterable[str]) -> frozenset[str]:
    """Return permissions, and those to read that they grant in the same place."""
    held = frozenset(permissions)
    return held | {READS[one] for one in held & READS.keys()}
