"""The table of all endpoints: method, path, handler and requirement.

Routes are made from this table only, so nothing is served without a line here. The requirement in
the last column is checked before the handler runs. Further conditions are in the handler's
docstring, which is also the text of ``/openapi.json``.

The file is longer than 300 lines because the table is one list, in which order matters.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from management.api.access_requirements import (
    AnyUser,
    GlobalPermission,
    InCluster,
    InProject,
    MayManageMembers,
    OverToken,
    OverTokensOf,
    OverUser,
    Public,
    Requirement,
)
from management.api.listing import Listing
from management.api.openapi_metadata import Description, description_of
from management.api.order_access import InClusterOrOrder, MayAddClusters
from management.api.v1 import (
    audit,
    cluster_agents,
    cluster_creation,
    cluster_registrations,
    cluster_reports,
    clusters,
    explanations,
    groups,
    identities,
    kubeconfigs,
    management_clusters,
    members,
    namespaces,
    nodes,
    overview,
    permissions,
    principals,
    projects,
    provider_types,
    providers,
    provisioning_classes,
    role_bindings,
    roles,
    sessions,
    tokens,
    usage,
    user_access,
    users,
    who_can,
    workload_changes,
    workloads,
    workloads_of_clusters,
)
from management.api.v1 import browser_sign_in as browser
from management.api.v1 import token_endpoint as oauth
from management.authorization.permissions import (
    CLUSTER_MEMBERS,
    CREATE_CLUSTERS,
    EDIT_CLUSTER,
    EDIT_PROJECT,
    NAMESPACES,
    NODES,
    OVERALL_BINDINGS,
    PROJECT_MEMBERS,
    PROVIDERS,
    READ_BINDINGS,
    READ_CLUSTER,
    READ_CLUSTER_MEMBERS,
    READ_PROVIDERS,
    READ_USERS,
    ROLES,
    SEE_PROJECT,
    USERS,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PUBLIC, SIGNED_IN = Public(), AnyUser()
ENTERING = InCluster(entering=True)
OVER_PROVISIONING = management_clusters.OverManagementCluster()
EDITING = InClusterOrOrder(EDIT_CLUSTER)

WORKLOADS = "/v1/clusters/{cluster}/workloads"
WORKLOAD = f"{WORKLOADS}/{{namespace}}/{{kind}}/{{name}}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the table.

    ``through_gate``: for tokens that are limited to clusters or projects, too.
    """

    method: str
    path: str
    serve: Handler | Listing
    requirement: Requirement
    through_gate: bool = False

    @property
    def documentation(self) -> str:
        """Return the documentation of the endpoint."""
        handler: Any = self.serve.collect if isinstance(self.serve, Listing) else self.serve
        return handler.__doc__ or ""

    @property
    def description(self) -> Description:
        """Return the metadata of the endpoint."""
        if isinstance(self.serve, Listing):
            return Description(response=self.serve.response, many=True)
        return description_of(self.serve)


TABLE = (
    # Signing in and out
    Endpoint("GET", "/v1/providers", sessions.providers, PUBLIC),
    Endpoint("POST", "/v1/login/{provider}", sessions.login, PUBLIC),
    Endpoint("POST", "/v1/login/{provider}/device", oauth.begin_device, PUBLIC),
    Endpoint("GET", "/v1/login/{provider}/start", browser.start, PUBLIC),
    Endpoint("GET", "/v1/login/{provider}/callback", browser.callback, PUBLIC),
    Endpoint("POST", "/v1/login/{provider}/backchannel-logout", browser.backchannel_logout, PUBLIC),
    Endpoint("POST", "/v1/token", oauth.token, PUBLIC),
    Endpoint("POST", "/v1/logout", sessions.logout, SIGNED_IN),
    # Oneself
    Endpoint("GET", "/v1/me", sessions.me, SIGNED_IN),
    Endpoint("POST", "/v1/me/password", sessions.change_password, SIGNED_IN),
    Endpoint("POST", "/v1/me/refresh", identities.refresh_own, SIGNED_IN),
    Endpoint("POST", "/v1/me/principals", identities.link, SIGNED_IN),
    Endpoint("DELETE", "/v1/me/principals/{id:.+}", identities.unlink, SIGNED_IN),
    Endpoint("DELETE", "/v1/me/tokens", identities.revoke_all, SIGNED_IN),
    Endpoint("GET", "/v1/overview", overview.overview, SIGNED_IN),
    # Tokens: the caller's own; other users' need users.manage
    Endpoint("GET", "/v1/tokens", tokens.LIST, OverTokensOf()),
    Endpoint("POST", "/v1/tokens", tokens.create, SIGNED_IN),
    Endpoint("DELETE", "/v1/tokens/{name}", tokens.revoke, OverToken()),
    # Users and groups
    Endpoint("GET", "/v1/users", users.LIST, GlobalPermission(READ_USERS)),
    Endpoint("POST", "/v1/users", users.create_user, GlobalPermission(USERS)),
    Endpoint("GET", "/v1/users/{id}", users.get_user, GlobalPermission(READ_USERS)),
    Endpoint("PATCH", "/v1/users/{id}", users.change_user, OverUser()),
    Endpoint("DELETE", "/v1/users/{id}", users.delete_user, OverUser()),
    Endpoint("DELETE", "/v1/users/{id}/tokens", users.revoke_all, OverUser()),
    Endpoint("POST", "/v1/users/{id}/password", identities.reset_password, OverUser()),
    Endpoint("POST", "/v1/users/{id}/refresh", identities.refresh_user, OverUser()),
    Endpoint("GET", "/v1/groups", groups.LIST, SIGNED_IN),
    Endpoint("GET", "/v1/groups/{id:.+}/members", groups.MEMBERS, GlobalPermission(READ_USERS)),
    Endpoint("GET", "/v1/groups/{id:.+}/access", user_access.of_group, SIGNED_IN),
    Endpoint("GET", "/v1/principals", principals.search, MayManageMembers()),
    # Roles, and bindings of global roles
    Endpoint("GET", "/v1/roles", roles.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/roles", roles.create_role, GlobalPermission(ROLES)),
    Endpoint("GET", "/v1/roles/{role}", roles.get_role, SIGNED_IN),
    Endpoint("PATCH", "/v1/roles/{role}", roles.change_role, GlobalPermission(ROLES)),
    Endpoint("DELETE", "/v1/roles/{role}", roles.delete_role, GlobalPermission(ROLES)),
    Endpoint("GET", "/v1/permissions", permissions.LIST, SIGNED_IN),
    Endpoint("GET", "/v1/bindings", role_bindings.LIST, GlobalPermission(READ_BINDINGS)),
    Endpoint(
        "POST", "/v1/bindings", role_bindings.create_binding, GlobalPermission(OVERALL_BINDINGS)
    ),
    Endpoint(
        "DELETE",
        "/v1/bindings/{binding}",
        role_bindings.delete_binding,
        GlobalPermission(OVERALL_BINDINGS),
    ),
    # Providers
    Endpoint("POST", "/v1/providers", providers.create, GlobalPermission(PROVIDERS)),
    Endpoint("GET", "/v1/providers/{name}", providers.show, GlobalPermission(READ_PROVIDERS)),
    Endpoint("PATCH", "/v1/providers/{name}", providers.change, GlobalPermission(PROVIDERS)),
    Endpoint("DELETE", "/v1/providers/{name}", providers.delete, GlobalPermission(PROVIDERS)),
    Endpoint("POST", "/v1/providers/{name}/test", providers.test, GlobalPermission(PROVIDERS)),
    Endpoint("GET", "/v1/provider-states", providers.LIST, GlobalPermission(READ_PROVIDERS)),
    Endpoint("GET", "/v1/provider-types", provider_types.LIST, GlobalPermission(READ_PROVIDERS)),
    Endpoint(
        "POST",
        "/v1/provider-types/{type}/test",
        provider_types.try_settings,
        GlobalPermission(PROVIDERS),
    ),
    # Clusters: those that one may enter
    Endpoint("GET", "/v1/clusters", clusters.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/clusters", cluster_creation.create_cluster, MayAddClusters()),
    Endpoint("GET", "/v1/provisioning/classes", provisioning_classes.CLASSES, SIGNED_IN),
    Endpoint(
        "POST",
        "/v1/registrations",
        cluster_registrations.create_registration,
        GlobalPermission(CREATE_CLUSTERS),
    ),
    Endpoint(
        "POST", "/v1/registrations/complete", cluster_registrations.complete_registration, PUBLIC
    ),
    Endpoint("GET", "/v1/clusters/{cluster}", clusters.get_cluster, InClusterOrOrder()),
    Endpoint("PATCH", "/v1/clusters/{cluster}", clusters.change_cluster, EDITING),
    Endpoint("DELETE", "/v1/clusters/{cluster}", clusters.delete_cluster, EDITING),
    Endpoint(
        "GET",
        "/v1/clusters/{cluster}/machines",
        provisioning_classes.MACHINES,
        InClusterOrOrder(NODES),
    ),
    Endpoint(
        "POST",
        "/v1/clusters/{cluster}/agent",
        cluster_agents.create_manifest,
        InCluster(EDIT_CLUSTER),
    ),
    Endpoint(
        "POST",
        "/v1/clusters/{cluster}/agent/token",
        cluster_agents.rotate_token,
        InCluster(EDIT_CLUSTER),
    ),
    Endpoint(
        "GET",
        "/v1/clusters/{cluster}/provisioning",
        management_clusters.show,
        InCluster(READ_CLUSTER),
    ),
    Endpoint(
        "PUT", "/v1/clusters/{cluster}/provisioning", management_clusters.enable, OVER_PROVISIONING
    ),
    Endpoint(
        "DELETE",
        "/v1/clusters/{cluster}/provisioning",
        management_clusters.disable,
        OVER_PROVISIONING,
    ),
    Endpoint("GET", "/v1/clusters/{cluster}/kubeconfig", kubeconfigs.kubeconfig, ENTERING),
    Endpoint("POST", "/v1/clusters/{cluster}/kubeconfig", kubeconfigs.make_kubeconfig, ENTERING),
    Endpoint("GET", "/v1/kubeconfig", kubeconfigs.every_kubeconfig, SIGNED_IN),
    Endpoint("POST", "/v1/kubeconfig", kubeconfigs.make_every_kubeconfig, SIGNED_IN),
    Endpoint(
        "GET", "/v1/clusters/{cluster}/members", members.LIST, InCluster(READ_CLUSTER_MEMBERS)
    ),
    Endpoint(
        "POST", "/v1/clusters/{cluster}/members", members.add_member, InCluster(CLUSTER_MEMBERS)
    ),
    Endpoint(
        "PUT",
        "/v1/clusters/{cluster}/members/{member}",
        members.put_member,
        InCluster(CLUSTER_MEMBERS),
    ),
    Endpoint(
        "DELETE",
        "/v1/clusters/{cluster}/members/{member}",
        members.remove_member,
        InCluster(CLUSTER_MEMBERS),
    ),
    Endpoint("GET", "/v1/clusters/{cluster}/nodes", nodes.LIST, InCluster(NODES)),
    Endpoint("GET", "/v1/nodes", nodes.LIST, SIGNED_IN),
    Endpoint("GET", "/v1/clusters/{cluster}/events", cluster_reports.EVENTS, InCluster(NODES)),
    Endpoint("GET", "/v1/clusters/{cluster}/usage", cluster_reports.usage, InCluster(NODES)),
    Endpoint(
        "GET",
        "/v1/clusters/{cluster}/deprecations",
        cluster_reports.DEPRECATIONS,
        InCluster(NODES),
    ),
    # Workloads: in the caller's name, so the cluster decides
    Endpoint("GET", WORKLOADS, workloads.LIST, ENTERING, through_gate=True),
    Endpoint("POST", WORKLOADS, workload_changes.apply_manifest, ENTERING, through_gate=True),
    Endpoint("GET", WORKLOAD, workloads.show, ENTERING, through_gate=True),
    Endpoint("GET", f"{WORKLOAD}/actions", workload_changes.permitted, ENTERING, through_gate=True),
    Endpoint("DELETE", WORKLOAD, workload_changes.delete, ENTERING, through_gate=True),
    Endpoint("GET", f"{WORKLOAD}/logs", workloads.logs, ENTERING, through_gate=True),
    Endpoint("POST", f"{WORKLOAD}/scale", workload_changes.scale, ENTERING, through_gate=True),
    Endpoint("POST", f"{WORKLOAD}/image", workload_changes.set_image, ENTERING, through_gate=True),
    Endpoint("POST", f"{WORKLOAD}/pause", workload_changes.pause, ENTERING, through_gate=True),
    Endpoint("POST", f"{WORKLOAD}/resume", workload_changes.resume, ENTERING, through_gate=True),
    Endpoint("POST", f"{WORKLOAD}/restart", workload_changes.restart, ENTERING, through_gate=True),
    Endpoint(
        "POST", f"{WORKLOAD}/rollback", workload_changes.roll_back, ENTERING, through_gate=True
    ),
    Endpoint(
        "POST",
        "/v1/workloads",
        workloads_of_clusters.apply_to_clusters,
        SIGNED_IN,
        through_gate=True,
    ),
    # Questions about access
    Endpoint("GET", "/v1/me/access", user_access.own, SIGNED_IN),
    Endpoint("GET", "/v1/requests/{request_id}/explanation", explanations.explanation, SIGNED_IN),
    Endpoint("GET", "/v1/users/{id}/access", user_access.of_user, GlobalPermission(READ_USERS)),
    Endpoint("GET", "/v1/clusters/{cluster}/who-can", who_can.answer, InCluster()),
    Endpoint("GET", "/v1/clusters/{cluster}/reach", who_can.reach, InCluster(READ_CLUSTER_MEMBERS)),
    # The audit log: those events that one may see
    Endpoint("GET", "/v1/audit", audit.search, SIGNED_IN),
    # Projects
    Endpoint("GET", "/v1/namespaces", namespaces.LIST_ALL, SIGNED_IN),
    Endpoint("GET", "/v1/projects", projects.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/projects", projects.create_project, SIGNED_IN),
    Endpoint("GET", "/v1/projects/{project}", projects.get_project, InProject(SEE_PROJECT)),
    Endpoint("PATCH", "/v1/projects/{project}", projects.change_project, InProject(EDIT_PROJECT)),
    Endpoint("DELETE", "/v1/projects/{project}", projects.delete_project, InProject(EDIT_PROJECT)),
    Endpoint("GET", "/v1/projects/{project}/usage", usage.project_usage, InProject(SEE_PROJECT)),
    Endpoint("GET", "/v1/projects/{project}/members", members.LIST, InProject(SEE_PROJECT)),
    Endpoint(
        "POST", "/v1/projects/{project}/members", members.add_member, InProject(PROJECT_MEMBERS)
    ),
    Endpoint(
        "PUT",
        "/v1/projects/{project}/members/{member}",
        members.put_member,
        InProject(PROJECT_MEMBERS),
    ),
    Endpoint(
        "DELETE",
        "/v1/projects/{project}/members/{member}",
        members.remove_member,
        InProject(PROJECT_MEMBERS),
    ),
    Endpoint("GET", "/v1/projects/{project}/namespaces", namespaces.LIST, InProject(SEE_PROJECT)),
    Endpoint(
        "POST",
        "/v1/projects/{project}/namespaces",
        namespaces.create_namespace,
        InProject(NAMESPACES),
    ),
    Endpoint(
        "PATCH",
        "/v1/projects/{project}/namespaces/{namespace}",
        namespaces.change_namespace,
        InProject(EDIT_PROJECT),
    ),
    Endpoint(
        "DELETE",
        "/v1/projects/{project}/namespaces/{namespace}",
        namespaces.remove_namespace,
        InProject(NAMESPACES),
    ),
)
"""In matching order."""
