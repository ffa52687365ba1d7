"""The permissions of Sekisho, for those who make roles of them."""

from collections.abc import Sequence

from aiohttp import web

from management.api import overview_models
from management.api.authentication import caller_of
from management.api.listing import Item, Listing
from management.authorization import permissions as known
from management.authorization.escalation import grantable_in
from management.authorization.permissions import IMPLIED, PERMISSIONS, READS

DESCRIPTIONS = {
    known.USERS: "Read, create, change, disable and delete users, and their tokens and passwords.",
    known.ROLES: "Create and change roles.",
    known.OVERALL_BINDINGS: "Grant and remove global roles.",
    known.PROVIDERS: "Add, change and remove authentication providers.",
    known.CREATE_CLUSTERS: "Import clusters, and own the imported ones.",
    known.PROVISION_CLUSTERS: "Order clusters from the classes of management clusters, and own the "
    "ordered ones.",
    known.ALL_CLUSTERS: "Own every cluster: enter it as its administrator, change it, remove it.",
    known.READ_USERS: "Read all users and groups.",
    known.READ_TOKENS: "Read the tokens of all users, without secrets.",
    known.READ_BINDINGS: "Read who holds global roles.",
    known.READ_PROVIDERS: "Read the settings of providers, without secrets, and their state.",
    known.READ_CLUSTERS: "Read the record, members, nodes and projects of every cluster, without "
    "entering it.",
    known.SEARCH: "Search users and groups at the providers.",
    known.AUDIT: "Search all audit events.",
    known.EDIT_CLUSTER: "Change the cluster's record, and remove it.",
    known.CLUSTER_MEMBERS: "Read and change the members of the cluster.",
    known.READ_CLUSTER: "Read the cluster's record with its addresses.",
    known.READ_CLUSTER_MEMBERS: "Read the members of the cluster.",
    known.ALL_PROJECTS: "Own every project of the cluster, and assign namespaces to projects.",
    known.CREATE_PROJECTS: "Create projects in the cluster, and own the created ones.",
    known.NODES: "Read the cluster's nodes, events and metrics.",
    known.CLUSTER_AUDIT: "Search the audit events of the cluster.",
    known.EDIT_PROJECT: "Change the project, and delete it.",
    known.PROJECT_MEMBERS: "Read and change the members of the project.",
    known.NAMESPACES: "Create namespaces in the project, move them in and out, delete them.",
    known.SEE_PROJECT: "Read the project, its namespaces and its members.",
    known.PROJECT_AUDIT: "Search the audit events in the project's namespaces.",
}
"""What each permission allows, for the API and the page of roles."""


async def collect(request: web.Request) -> Sequence[Item]:
    """List the permissions that roles can have, by scope.

    ``grantable``: whether the caller holds it everywhere, and may put it into a role.
    """
    access = caller_of(request).access
    held = {scope: grantable_in(access, scope, None, None).permissions for scope in PERMISSIONS}
    return [
        {
            "name": name,
            "scope": scope,
            "description": DESCRIPTIONS.get(name, ""),
            "implies": sorted({*IMPLIED.get(name, ()), *([READS[name]] if name in READS else [])}),
            "grantable": name in held[scope],
        }
        for scope, names in PERMISSIONS.items()
        for name in sorted(names)
    ]


LIST = Listing(
    collect,
    response=overview_models.PermissionResponse,
    key="name",
    sorts=("name", "scope"),
    filters=("scope",),
    searched=("name", "description"),
)
