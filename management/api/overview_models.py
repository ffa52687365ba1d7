"""Models of the responses of the overview, of usage, and of provider types and states."""

from typing import Any, Literal

from management.api.response_model import ResponseModel


class ClusterProblem(ResponseModel):
    """A condition of a cluster that does not hold. ``message`` needs ``cluster.edit``."""

    id: str
    name: str
    condition: str
    reason: str
    message: str
    since: str | None


class ClusterCounts(ResponseModel):
    """The clusters that the caller may enter, by health.

    ``unknown``: not observed yet, or the caller may not see the state (``nodes.read``).
    """

    total: int
    healthy: int
    degraded: int
    unreachable: int
    removing: int
    unknown: int
    nodes: int
    problems: list[ClusterProblem]
    """The first 50."""


class ProjectCounts(ResponseModel):
    """The projects that the caller may see, and their namespaces."""

    total: int
    namespaces: int
    pending: int
    """Namespaces whose move the cluster does not have yet."""


class UserCounts(ResponseModel):
    """All users."""

    total: int
    disabled: int
    administrators: int


class TokenCountsResponse(ResponseModel):
    """Tokens that have not ended: the caller's own, or those of all users."""

    of: Literal["all", "own"]
    sessions: int
    tokens: int
    kubeconfigs: int
    used_today: int
    """Used within 24 hours."""


class EndingResponse(ResponseModel):
    """A certificate or token that ends soon, or has ended."""

    kind: Literal[
        "server_certificate",
        "api_server_certificate",
        "cluster_certificate",
        "cluster_token",
        "token",
    ]
    id: str
    name: str
    user: str | None
    ends_at: str


class ProviderState(ResponseModel):
    """The state of a provider."""

    name: str
    type: str
    enabled: bool
    up: bool
    error: str | None


class OverloadResponse(ResponseModel):
    """The overload control of the process that responded."""

    overloaded: bool
    lag_seconds: float


class OverviewResponse(ResponseModel):
    """The state of everything that the caller may see; null: the caller may not see it."""

    clusters: ClusterCounts
    projects: ProjectCounts
    users: UserCounts | None
    tokens: TokenCountsResponse
    ending: list[EndingResponse]
    providers: list[ProviderState] | None
    overload: OverloadResponse | None


class NamespaceUsage(ResponseModel):
    """A namespace's amounts by resource: what it gets, and what it uses of that."""

    name: str
    hard: dict[str, str]
    used: dict[str, str]
    counted: bool
    """Whether the cluster has a quota of Sekisho there, and counts."""


class UsageResponse(ResponseModel):
    """What a project uses of its quota, as the cluster counts it at this moment."""

    hard: dict[str, str]
    used: dict[str, str]
    namespaces: list[NamespaceUsage]


class ProviderTypeResponse(ResponseModel):
    """An installed provider type. ``settings`` is a JSON schema; null if the type is not usable."""

    type: str
    distribution: str
    settings: dict[str, Any] | None
    error: str | None


class ProviderDetails(ProviderState):
    """A provider with its settings, without secrets."""

    origin: Literal["config", "store"]
    settings: dict[str, Any]
    access_mode: str
    allowed_principals: list[str]
    warnings: list[str]


class PermissionResponse(ResponseModel):
    """A permission of Sekisho that roles of a scope can have, and those that it implies."""

    name: str
    scope: Literal["global", "cluster", "project"]
    description: str
    implies: list[str]
    grantable: bool
    """Whether the caller may put it into a role."""
