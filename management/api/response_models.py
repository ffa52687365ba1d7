"""What the API answers, as models: for its description, and for tests that hold it to them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Something that is answered. All that may be in it is named."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class ProblemAnswer(BaseModel):
    """What went wrong (RFC 9457), with the id under which the log has more."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, str]] | None = None


class OwnPrincipal(Answer):
    """A way in which a user is known."""

    id: str
    provider: str
    display_name: str


class UserAnswer(Answer):
    """A user."""

    id: str
    username: str
    display_name: str
    enabled: bool
    administrator: bool
    principals: list[OwnPrincipal]
    created_at: str


class GroupAnswer(Answer):
    """A group principal. How many are in it is for those who manage users."""

    id: str
    provider: str | None
    name: str
    members: int | None


class OwnGroup(Answer):
    """A group that one is in."""

    id: str
    provider: str
    display_name: str


class MeAnswer(UserAnswer):
    """Who the caller is. ``csrf_token`` is there where a cookie said so."""

    groups: list[OwnGroup]
    token: str
    csrf_token: str | None = None


class TokenAnswer(Answer):
    """A token, but for what makes it one."""

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


class NewTokenAnswer(TokenAnswer):
    """A token that was just made, and the only answer that ever holds it."""

    token: str


class RuleAnswer(Answer):
    """A rule of Kubernetes RBAC."""

    verbs: list[str]
    api_groups: list[str]
    resources: list[str]
    resource_names: list[str]
    non_resource_urls: list[str]


class RoleContent(Answer):
    """What a role comes to with what it inherits."""

    permissions: list[str]
    rules: list[RuleAnswer]
    cluster_roles: list[str]


class RoleAnswer(RoleContent):
    """A role."""

    id: str
    scope: Literal["global", "cluster", "project"]
    name: str
    description: str
    built_in: bool
    inherits: list[str]
    effective: RoleContent
    created_at: str | None


class BindingAnswer(Answer):
    """Who holds which role in what."""

    id: str
    role: str
    role_id: str
    kind: Literal["user", "group"]
    user: str | None
    group: str | None
    name: str
    cluster: str | None
    project: str | None
    created_at: str


class MemberAnswer(BindingAnswer):
    """A member of a cluster or a project."""

    username: str | None
    display_name: str


class NewMemberAnswer(MemberAnswer):
    """Somebody who was just let in. ``pending`` says why the cluster doesn't know yet."""

    bound: bool
    pending: str | None


class ClusterAnswer(Answer):
    """A cluster. What is seen of it is for ``nodes.read``, where it is for ``cluster.edit``."""

    id: str
    name: str
    role: str
    url: str
    created_at: str
    removing_since: str | None
    status: dict[str, Any] | None = None
    servers: list[str] | None = None
    tls_server_name: str | None = None
    user_name: str | None = None
    isolation: str | None = None
    credential_source: str | None = None
    tokens_expire_at: str | None = None


class ProjectAnswer(Answer):
    """A project. ``cluster_name`` is there in lists."""

    id: str
    cluster: str
    cluster_name: str | None = None
    name: str
    description: str
    quota: dict[str, str]
    namespace_quota: dict[str, str]
    container_limits: dict[str, dict[str, str]]
    isolated: bool
    namespaces: list[str]
    created_at: str


class NamespaceAnswer(Answer):
    """A namespace of a project: what it asks for of the quota, and the ``hard`` that it gets."""

    name: str
    uid: str
    cluster: str
    project: str | None
    quota: dict[str, str]
    hard: dict[str, str]
    pending: str | None = None


class NodeAnswer(BaseModel):
    """A node, as last seen."""

    uid: str
    name: str
    cluster: str
    cluster_name: str
    appeared_at: str
    left_at: str | None
    ready: bool | None = None


class RevokedAnswer(Answer):
    """How many were revoked."""

    revoked: int
