"""Every endpoint of the API: what it is called by, who may call it, and what it takes.

This is the one place where routes are made, and nothing is served without a line here. What the
last column asks for is checked before the endpoint runs; what more an endpoint asks for is in its
words (``docs/api.md`` and ``/openapi.json`` are of the same words).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from management import (
    browser_endpoints,
    cluster_endpoints,
    identity_endpoints,
    principal_endpoints,
    provider_endpoints,
    session_endpoints,
    token_endpoints,
)
from management.api import bindings, groups, members, namespaces, nodes, projects, roles, users
from management.api.listing import Listing
from management.api.requirements import (
    Anybody,
    InCluster,
    InProject,
    LetsPeopleIn,
    Overall,
    Requirement,
    SignedIn,
)
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
    ROLES,
    SEE_PROJECT,
    USERS,
)
from management.oauth import endpoint as oauth

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANYBODY, SIGNED_IN = Anybody(), SignedIn()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A line of the table. ``body`` is the model of what a request says."""

    method: str
    path: str
    serve: Handler | Listing
    who: Requirement
    body: type[BaseModel] | None = None

    @property
    def words(self) -> str:
        """What it says of itself."""
        said: Any = self.serve.collect if isinstance(self.serve, Listing) else self.serve
        return said.__doc__ or ""


_USER, _ROLE, _CLUSTER = "/v1/users/{id}", "/v1/roles/{role}", "/v1/clusters/{cluster}"
_PROJECT, _PROVIDER = "/v1/projects/{project}", "/v1/providers/{name}"

TABLE = (
    # Signing in and out
    Endpoint("GET", "/v1/providers", session_endpoints.providers, ANYBODY),
    Endpoint(
        "POST", "/v1/login/{provider}", session_endpoints.login, ANYBODY, session_endpoints.Login
    ),
    Endpoint("POST", "/v1/login/{provider}/device", oauth.begin_device, ANYBODY),
    Endpoint("GET", "/v1/login/{provider}/start", browser_endpoints.start, ANYBODY),
    Endpoint("GET", "/v1/login/{provider}/callback", browser_endpoints.callback, ANYBODY),
    Endpoint(
        "POST",
        "/v1/login/{provider}/backchannel-logout",
        browser_endpoints.backchannel_logout,
        ANYBODY,
    ),
    Endpoint("POST", "/v1/token", oauth.token, ANYBODY),
    Endpoint("POST", "/v1/logout", session_endpoints.logout, SIGNED_IN),
    # Oneself
    Endpoint("GET", "/v1/me", session_endpoints.me, SIGNED_IN),
    Endpoint(
        "POST",
        "/v1/me/password",
        session_endpoints.change_password,
        SIGNED_IN,
        session_endpoints.PasswordChange,
    ),
    Endpoint("POST", "/v1/me/refresh", identity_endpoints.refresh_own, SIGNED_IN),
    Endpoint(
        "POST", "/v1/me/principals", identity_endpoints.link, SIGNED_IN, identity_endpoints.Link
    ),
    Endpoint("DELETE", "/v1/me/principals/{id:.+}", identity_endpoints.unlink, SIGNED_IN),
    Endpoint("DELETE", "/v1/me/tokens", identity_endpoints.revoke_all, SIGNED_IN),
    # Tokens: one's own; others' take users.manage
    Endpoint("GET", "/v1/tokens", token_endpoints.list_own, SIGNED_IN),
    Endpoint("POST", "/v1/tokens", token_endpoints.create, SIGNED_IN, token_endpoints.NewToken),
    Endpoint("DELETE", "/v1/tokens/{name}", token_endpoints.revoke, SIGNED_IN),
    # Users and groups
    Endpoint("GET", "/v1/users", users.LIST, Overall(USERS)),
    Endpoint("POST", "/v1/users", users.create_user, Overall(USERS), users.NewUser),
    Endpoint("GET", _USER, users.get_user, Overall(USERS)),
    Endpoint("PATCH", _USER, users.change_user, Overall(USERS), users.UserSpec),
    Endpoint("DELETE", _USER, users.delete_user, Overall(USERS)),
    Endpoint("DELETE", f"{_USER}/tokens", users.revoke_all, Overall(USERS)),
    Endpoint(
        "POST",
        f"{_USER}/password",
        identity_endpoints.reset_password,
        Overall(USERS),
        identity_endpoints.PasswordReset,
    ),
    Endpoint("POST", f"{_USER}/refresh", identity_endpoints.refresh_user, Overall(USERS)),
    Endpoint("GET", "/v1/groups", groups.LIST, SIGNED_IN),
    Endpoint("GET", "/v1/principals", principal_endpoints.search, LetsPeopleIn()),
    # Roles, and who holds a global one
    Endpoint("GET", "/v1/roles", roles.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/roles", roles.create_role, Overall(ROLES), roles.NewRole),
    Endpoint("GET", _ROLE, roles.get_role, SIGNED_IN),
    Endpoint("PATCH", _ROLE, roles.change_role, Overall(ROLES), roles.RoleSpec),
    Endpoint("DELETE", _ROLE, roles.delete_role, Overall(ROLES)),
    Endpoint("GET", "/v1/bindings", bindings.LIST, Overall(OVERALL_BINDINGS)),
    Endpoint(
        "POST",
        "/v1/bindings",
        bindings.create_binding,
        Overall(OVERALL_BINDINGS),
        bindings.NewHolder,
    ),
    Endpoint(
        "DELETE", "/v1/bindings/{binding}", bindings.delete_binding, Overall(OVERALL_BINDINGS)
    ),
    # Providers
    Endpoint(
        "POST",
        "/v1/providers",
        provider_endpoints.create,
        Overall(PROVIDERS),
        provider_endpoints.NewProvider,
    ),
    Endpoint("GET", _PROVIDER, provider_endpoints.show, Overall(PROVIDERS)),
    Endpoint(
        "PATCH",
        _PROVIDER,
        provider_endpoints.change,
        Overall(PROVIDERS),
        provider_endpoints.ProviderChange,
    ),
    Endpoint("DELETE", _PROVIDER, provider_endpoints.delete, Overall(PROVIDERS)),
    Endpoint(
        "POST",
        f"{_PROVIDER}/test",
        provider_endpoints.test,
        Overall(PROVIDERS),
        provider_endpoints.Trial,
    ),
    # Clusters: those that one may enter
    Endpoint("GET", "/v1/clusters", cluster_endpoints.LIST, SIGNED_IN),
    Endpoint(
        "POST",
        "/v1/clusters",
        cluster_endpoints.create_cluster,
        Overall(CREATE_CLUSTERS),
        cluster_endpoints.NewCluster,
    ),
    Endpoint("GET", _CLUSTER, cluster_endpoints.get_cluster, InCluster()),
    Endpoint(
        "PATCH",
        _CLUSTER,
        cluster_endpoints.change_cluster,
        InCluster(EDIT_CLUSTER),
        cluster_endpoints.ClusterSpec,
    ),
    Endpoint("DELETE", _CLUSTER, cluster_endpoints.delete_cluster, InCluster(EDIT_CLUSTER)),
    Endpoint("GET", f"{_CLUSTER}/kubeconfig", cluster_endpoints.kubeconfig, InCluster()),
    Endpoint("POST", f"{_CLUSTER}/kubeconfig", cluster_endpoints.kubeconfig, InCluster()),
    Endpoint("GET", "/v1/kubeconfig", cluster_endpoints.every_kubeconfig, SIGNED_IN),
    Endpoint("POST", "/v1/kubeconfig", cluster_endpoints.every_kubeconfig, SIGNED_IN),
    Endpoint("GET", f"{_CLUSTER}/members", members.LIST, InCluster(CLUSTER_MEMBERS)),
    Endpoint(
        "POST",
        f"{_CLUSTER}/members",
        members.add_member,
        InCluster(CLUSTER_MEMBERS),
        bindings.NewHolder,
    ),
    Endpoint(
        "PUT",
        f"{_CLUSTER}/members/{{member}}",
        members.put_member,
        InCluster(CLUSTER_MEMBERS),
        members.MemberRole,
    ),
    Endpoint(
        "DELETE",
        f"{_CLUSTER}/members/{{member}}",
        members.remove_member,
        InCluster(CLUSTER_MEMBERS),
    ),
    Endpoint("GET", f"{_CLUSTER}/nodes", nodes.LIST, InCluster(NODES)),
    Endpoint("GET", "/v1/nodes", nodes.LIST, SIGNED_IN),
    # Projects
    Endpoint("GET", "/v1/projects", projects.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/projects", projects.create_project, SIGNED_IN, projects.NewProject),
    Endpoint("GET", _PROJECT, projects.get_project, InProject(SEE_PROJECT)),
    Endpoint(
        "PATCH",
        _PROJECT,
        projects.change_project,
        InProject(EDIT_PROJECT),
        projects.ProjectSpec,
    ),
    Endpoint("DELETE", _PROJECT, projects.delete_project, InProject(EDIT_PROJECT)),
    Endpoint("GET", f"{_PROJECT}/members", members.LIST, InProject(SEE_PROJECT)),
    Endpoint(
        "POST",
        f"{_PROJECT}/members",
        members.add_member,
        InProject(PROJECT_MEMBERS),
        bindings.NewHolder,
    ),
    Endpoint(
        "PUT",
        f"{_PROJECT}/members/{{member}}",
        members.put_member,
        InProject(PROJECT_MEMBERS),
        members.MemberRole,
    ),
    Endpoint(
        "DELETE",
        f"{_PROJECT}/members/{{member}}",
        members.remove_member,
        InProject(PROJECT_MEMBERS),
    ),
    Endpoint("GET", f"{_PROJECT}/namespaces", namespaces.LIST, InProject(SEE_PROJECT)),
    Endpoint(
        "POST",
        f"{_PROJECT}/namespaces",
        namespaces.create_namespace,
        InProject(NAMESPACES),
        namespaces.NewNamespace,
    ),
    Endpoint(
        "PATCH",
        f"{_PROJECT}/namespaces/{{namespace}}",
        namespaces.change_namespace,
        InProject(EDIT_PROJECT),
        namespaces.NamespaceSpec,
    ),
    Endpoint(
        "DELETE",
        f"{_PROJECT}/namespaces/{{namespace}}",
        namespaces.remove_namespace,
        InProject(NAMESPACES),
    ),
)
"""In the order in which they are looked for."""
