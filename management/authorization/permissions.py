"""What Sekisho itself lets people do. Kubernetes' own rules are beside these in a role.

A permission is held in Sekisho as a whole, in a cluster, or in a project; one of a wider scope that
implies one of a narrower scope is listed in :data:`IMPLIED`.
"""

from typing import Final

from store.access_records import Scope

USERS: Final = "users.manage"
"""See, make, change, disable and delete users, and their tokens and passwords."""

ROLES: Final = "roles.manage"
"""Make and change roles."""

OVERALL_BINDINGS: Final = "bindings.manage"
"""Say who holds a global role."""

PROVIDERS: Final = "providers.manage"
"""Add, change and remove authentication providers."""

CREATE_CLUSTERS: Final = "clusters.create"
"""Import clusters, and own them."""

ALL_CLUSTERS: Final = "clusters.manage"
"""Own every cluster: enter it as its administrator, change it, remove it."""

SEARCH: Final = "principals.search"
"""Find people and groups at the providers."""

EDIT_CLUSTER: Final = "cluster.edit"
"""Change the cluster's record, and remove it."""

CLUSTER_MEMBERS: Final = "cluster.members"
"""See and say who holds a role in the cluster."""

ALL_PROJECTS: Final = "cluster.projects"
"""Own every project of the cluster, and say to which one a namespace belongs."""

CREATE_PROJECTS: Final = "projects.create"
"""Make projects in the cluster, and own them."""

NODES: Final = "nodes.read"
"""See the cluster's nodes, events and figures."""

EDIT_PROJECT: Final = "project.edit"
"""Change the project, and delete it."""

PROJECT_MEMBERS: Final = "project.members"
"""See and say who holds a role in the project."""

NAMESPACES: Final = "project.namespaces"
"""Make namespaces in the project, move them in and out, delete them."""

SEE_PROJECT: Final = "project.read"
"""See the project, its namespaces and its members."""

PERMISSIONS: Final[dict[Scope, frozenset[str]]] = {
    "global": frozenset(
        {USERS, ROLES, OVERALL_BINDINGS, PROVIDERS, CREATE_CLUSTERS, ALL_CLUSTERS, SEARCH}
    ),
    "cluster": frozenset({EDIT_CLUSTER, CLUSTER_MEMBERS, ALL_PROJECTS, CREATE_PROJECTS, NODES}),
    "project": frozenset({EDIT_PROJECT, PROJECT_MEMBERS, NAMESPACES, SEE_PROJECT}),
}

IMPLIED: Final[dict[str, frozenset[str]]] = {
    ALL_CLUSTERS: PERMISSIONS["cluster"],
    ALL_PROJECTS: PERMISSIONS["project"],
}
"""What one of a wider scope is worth in each cluster, or in each project of the cluster."""
