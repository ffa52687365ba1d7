"""Every endpoint of the API: what it is called by, and who may call it.

This is the one place where routes are made, and nothing is served without a line here. What the
last column asks for is checked before the endpoint runs; what more an endpoint asks for is in its
words (``docs/api.md`` and ``/openapi.json`` are of the same words).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from management import browser_endpoints as browser
from management import cluster_endpoints as clusters
from management import identity_endpoints as identities
from management import principal_endpoints as principals
from management import provider_endpoints as providers
from management import session_endpoints as sessions
from management import token_endpoints as tokens
from management.api import (
    bindings,
    groups,
    members,
    namespaces,
    nodes,
    projects,
    registrations,
    roles,
    users,
)
from management.api.described import Description, description_of
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
    """A line of the table."""

    method: str
    path: str
    serve: Handler | Listing
    who: Requirement

    @property
    def words(self) -> str:
        """What it says of itself."""
        said: Any = self.serve.collect if isinstance(self.serve, Listing) else self.serve
        return said.__doc__ or ""

    @property
    def description(self) -> Description:
        """What it takes and answers."""
        if isinstance(self.serve, Listing):
            return Description(answer=self.serve.answer, many=True)
        return description_of(self.serve)


TABLE = (
    # Signing in and out
    Endpoint("GET", "/v1/providers", sessions.providers, ANYBODY),
    Endpoint("POST", "/v1/login/{provider}", sessions.login, ANYBODY),
    Endpoint("POST", "/v1/login/{provider}/device", oauth.begin_device, ANYBODY),
    Endpoint("GET", "/v1/login/{provider}/start", browser.start, ANYBODY),
    Endpoint("GET", "/v1/login/{provider}/callback", browser.callback, ANYBODY),
    Endpoint(
        "POST", "/v1/login/{provider}/backchannel-logout", browser.backchannel_logout, ANYBODY
    ),
    Endpoint("POST", "/v1/token", oauth.token, ANYBODY),
    Endpoint("POST", "/v1/logout", sessions.logout, SIGNED_IN),
    # Oneself
    Endpoint("GET", "/v1/me", sessions.me, SIGNED_IN),
    Endpoint("POST", "/v1/me/password", sessions.change_password, SIGNED_IN),
    Endpoint("POST", "/v1/me/refresh", identities.refresh_own, SIGNED_IN),
    Endpoint("POST", "/v1/me/principals", identities.link, SIGNED_IN),
    Endpoint("DELETE", "/v1/me/principals/{id:.+}", identities.unlink, SIGNED_IN),
    Endpoint("DELETE", "/v1/me/tokens", identities.revoke_all, SIGNED_IN),
    # Tokens: one's own; others' take users.manage
    Endpoint("GET", "/v1/tokens", tokens.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/tokens", tokens.create, SIGNED_IN),
    Endpoint("DELETE", "/v1/tokens/{name}", tokens.revoke, SIGNED_IN),
    # Users and groups
    Endpoint("GET", "/v1/users", users.LIST, Overall(USERS)),
    Endpoint("POST", "/v1/users", users.create_user, Overall(USERS)),
    Endpoint("GET", "/v1/users/{id}", users.get_user, Overall(USERS)),
    Endpoint("PATCH", "/v1/users/{id}", users.change_user, Overall(USERS)),
    Endpoint("DELETE", "/v1/users/{id}", users.delete_user, Overall(USERS)),
    Endpoint("DELETE", "/v1/users/{id}/tokens", users.revoke_all, Overall(USERS)),
    Endpoint("POST", "/v1/users/{id}/password", identities.reset_password, Overall(USERS)),
    Endpoint("POST", "/v1/users/{id}/refresh", identities.refresh_user, Overall(USERS)),
    Endpoint("GET", "/v1/groups", groups.LIST, SIGNED_IN),
    Endpoint("GET", "/v1/principals", principals.search, LetsPeopleIn()),
    # Roles, and who holds a global one
    Endpoint("GET", "/v1/roles", roles.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/roles", roles.create_role, Overall(ROLES)),
    Endpoint("GET", "/v1/roles/{role}", roles.get_role, SIGNED_IN),
    Endpoint("PATCH", "/v1/roles/{role}", roles.change_role, Overall(ROLES)),
    Endpoint("DELETE", "/v1/roles/{role}", roles.delete_role, Overall(ROLES)),
    Endpoint("GET", "/v1/bindings", bindings.LIST, Overall(OVERALL_BINDINGS)),
    Endpoint("POST", "/v1/bindings", bindings.create_binding, Overall(OVERALL_BINDINGS)),
    Endpoint(
        "DELETE", "/v1/bindings/{binding}", bindings.delete_binding, Overall(OVERALL_BINDINGS)
    ),
    # Providers
    Endpoint("POST", "/v1/providers", providers.create, Overall(PROVIDERS)),
    Endpoint("GET", "/v1/providers/{name}", providers.show, Overall(PROVIDERS)),
    Endpoint("PATCH", "/v1/providers/{name}", providers.change, Overall(PROVIDERS)),
    Endpoint("DELETE", "/v1/providers/{name}", providers.delete, Overall(PROVIDERS)),
    Endpoint("POST", "/v1/providers/{name}/test", providers.test, Overall(PROVIDERS)),
    # Clusters: those that one may enter
    Endpoint("GET", "/v1/clusters", clusters.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/clusters", clusters.create_cluster, Overall(CREATE_CLUSTERS)),
    Endpoint(
        "POST", "/v1/registrations", registrations.create_registration, Overall(CREATE_CLUSTERS)
    ),
    Endpoint("POST", "/v1/registrations/complete", registrations.complete_registration, ANYBODY),
    Endpoint("GET", "/v1/clusters/{cluster}", clusters.get_cluster, InCluster()),
    Endpoint("PATCH", "/v1/clusters/{cluster}", clusters.change_cluster, InCluster(EDIT_CLUSTER)),
    Endpoint("DELETE", "/v1/clusters/{cluster}", clusters.delete_cluster, InCluster(EDIT_CLUSTER)),
    Endpoint("GET", "/v1/clusters/{cluster}/kubeconfig", clusters.kubeconfig, InCluster()),
    Endpoint("POST", "/v1/clusters/{cluster}/kubeconfig", clusters.kubeconfig, InCluster()),
    Endpoint("GET", "/v1/kubeconfig", clusters.every_kubeconfig, SIGNED_IN),
    Endpoint("POST", "/v1/kubeconfig", clusters.every_kubeconfig, SIGNED_IN),
    Endpoint("GET", "/v1/clusters/{cluster}/members", members.LIST, InCluster(CLUSTER_MEMBERS)),
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
    # Projects
    Endpoint("GET", "/v1/projects", projects.LIST, SIGNED_IN),
    Endpoint("POST", "/v1/projects", projects.create_project, SIGNED_IN),
    Endpoint("GET", "/v1/projects/{project}", projects.get_project, InProject(SEE_PROJECT)),
    Endpoint("PATCH", "/v1/projects/{project}", projects.change_project, InProject(EDIT_PROJECT)),
    Endpoint("DELETE", "/v1/projects/{project}", projects.delete_project, InProject(EDIT_PROJECT)),
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
"""In the order in which they are looked for."""
