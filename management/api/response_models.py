"""Models of the API's responses, for its description and for contract tests."""

from typing import Any, Literal

from pydantic import BaseModel

from management.api.order_response_models import OrderResponse
from management.api.response_model import ResponseModel


class ProblemResponse(BaseModel):
    """A problem (RFC 9457), with the request id for the log."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, str]] | None = None


class OwnPrincipal(ResponseModel):
    """A principal of a user.

    ``refresh``: ``failing``, the provider returns no usable response about it; ``sign_in_needed``,
    the user must sign in again before it can be refreshed.
    """

    id: str
    provider: str
    display_name: str
    refresh: Literal["ok", "failing", "sign_in_needed"]


class UserResponse(ResponseModel):
    """A user."""

    id: str
    username: str
    display_name: str
    enabled: bool
    administrator: bool
    labels: dict[str, str]
    principals: list[OwnPrincipal]
    created_at: str


class ManagedUserResponse(UserResponse):
    """A user, as one document. ``denied``: why the caller may not act on the user."""

    denied: str | None


class GroupResponse(ResponseModel):
    """A group principal. Only managers of users see ``members``."""

    id: str
    provider: str | None
    name: str
    members: int | None


class OwnGroup(ResponseModel):
    """A group of the caller."""

    id: str
    provider: str
    display_name: str


class TokenResponse(ResponseModel):
    """A token without its secret."""

    name: str
    kind: str
    user: str
    principal: str
    description: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    expired: bool
    clusters: list[str]
    projects: list[str]
    read_only: bool
    proxy_read: bool
    parent: str | None


class NewTokenResponse(TokenResponse):
    """A new token. No other response contains its secret."""

    token: str


class RuleResponse(ResponseModel):
    """A rule of Kubernetes RBAC."""

    verbs: list[str]
    api_groups: list[str]
    resources: list[str]
    resource_names: list[str]
    non_resource_urls: list[str]


class RoleContent(ResponseModel):
    """The grants of a role with what it inherits."""

    permissions: list[str]
    rules: list[RuleResponse]
    cluster_roles: list[str]


class RoleResponse(RoleContent):
    """A role. ``denied``: why the caller may not change or delete it."""

    id: str
    scope: Literal["global", "cluster", "project"]
    name: str
    description: str
    built_in: bool
    inherits: list[str]
    labels: dict[str, str]
    effective: RoleContent
    created_at: str | None
    denied: str | None


class BindingResponse(ResponseModel):
    """A binding of a role to a user or a group. ``denied``: why the caller may not remove it."""

    id: str
    role: str
    role_id: str
    kind: Literal["user", "group"]
    user: str | None
    group: str | None
    provider: str | None
    """The provider of the group or the user (several are separated by commas)."""
    name: str
    cluster: str | None
    project: str | None
    created_at: str
    labels: dict[str, str]
    denied: str | None


class MemberResponse(BindingResponse):
    """A member of a cluster or a project. ``denied``: why the caller may not change them."""

    username: str | None
    display_name: str


class NewMemberResponse(MemberResponse):
    """A new member. ``pending`` is the reason why the cluster does not have the change yet."""

    bound: bool
    pending: str | None


class AgentResponse(ResponseModel):
    """A tunnel of an agent. ``streams`` and ``rtt`` (seconds) are known at its process only.

    ``trust``: ``verified`` to lead to the cluster, ``unverified`` (used if none is verified), or
    ``refused``; ``reason`` says why.
    """

    pod: str
    node: str
    version: str
    since: str
    streams: int | None
    rtt: float | None
    trust: str
    reason: str | None


class ExpirationResponse(ResponseModel):
    """When a certificate or token of a cluster ends, and when Sekisho renews it, if it does."""

    kind: Literal["api_server_certificate", "cluster_certificate", "cluster_token", "agent_token"]
    ends_at: str | None
    renews_at: str | None


class ClusterResponse(ResponseModel):
    """A cluster. ``status`` needs ``nodes.read``, the connection needs ``cluster.edit``.

    ``permissions`` are the caller's in the cluster. ``provision`` is its order, if it was
    ordered or adopted. ``pending_until`` is when the reservation of its name ends, while its
    registration is not complete. Lists have no ``agents`` and no ``expirations``.
    """

    id: str
    name: str
    role: str
    permissions: list[str]
    url: str
    created_at: str
    removing_since: str | None
    pending_until: str | None
    labels: dict[str, str]
    status: dict[str, Any] | None = None
    reach: str | None = None
    agents: list[AgentResponse] | None = None
    expirations: list[ExpirationResponse] | None = None
    servers: list[str] | None = None
    tls_server_name: str | None = None
    username_mapping: str | None = None
    impersonator: str | None = None
    credential_source: str | None = None
    tokens_expire_at: str | None = None
    provision: OrderResponse | None = None
    removal_pending: str | None = None
    """Why Sekisho's objects are not removed from the cluster yet, in the response of a removal."""


class RemovedClusterResponse(ResponseModel):
    """A removed cluster. ``left``: what is left in the cluster itself, as sentences."""

    left: list[str]


class ProjectResponse(ResponseModel):
    """A project. ``cluster_name`` is set in lists. ``permissions`` are the caller's in it."""

    id: str
    cluster: str
    cluster_name: str | None = None
    name: str
    description: str
    quota: dict[str, str]
    namespace_quota: dict[str, str]
    container_limits: dict[str, dict[str, str]]
    isolated: bool
    labels: dict[str, str]
    namespaces: list[str]
    permissions: list[str]
    created_at: str


class NamespaceResponse(ResponseModel):
    """A namespace. It requests ``quota`` and gets ``hard``; ``denied`` is why it must stay."""

    name: str
    uid: str
    cluster: str
    project: str | None
    quota: dict[str, str]
    hard: dict[str, str]
    pending: str | None = None
    denied: str | None


class ListedNamespaceResponse(NamespaceResponse):
    """A namespace in the list of all that the caller may see."""

    cluster_name: str | None
    project_name: str


class RevokedResponse(ResponseModel):
    """The number of revoked tokens."""

    revoked: int


class AuditEventResponse(ResponseModel):
    """An audit event. Empty texts: the request had none, or the caller may not see it."""

    time: str
    received_at: str
    request_id: str
    stage: Literal["ResponseStarted", "ResponseComplete"]
    verb: str
    code: int
    outcome: Literal["success", "refused", "limited", "error"]
    answered_by: Literal["sekisho", "cluster"]
    reason: str
    sign_in: bool
    user: str
    username: str
    principal: str
    token: str
    impersonated: str
    cluster: str
    cluster_name: str
    project: str
    namespace: str
    api_group: str
    resource: str
    subresource: str
    name: str
    path: str
    source: str
    user_agent: str
    details: dict[str, Any]
