"""Models of the responses about the caller itself."""

from management.api.response_model import ResponseModel
from management.api.response_models import OwnGroup, UserResponse


class ClusterInReach(ResponseModel):
    """A cluster that a limited token reaches."""

    id: str
    name: str


class ProjectInReach(ResponseModel):
    """A project that a limited token is for."""

    id: str
    name: str
    cluster: str
    cluster_name: str


class TokenReach(ResponseModel):
    """What a token that is limited to clusters or projects is for, of what the caller may enter.

    ``projects`` is empty if the token is for all of its clusters.
    """

    clusters: list[ClusterInReach]
    projects: list[ProjectInReach]


class MeResponse(UserResponse):
    """The caller. ``csrf_token`` is set for a session with a cookie.

    ``permissions`` are the global ones. ``must_change_password``: this session may only change its
    password. ``token_reach`` is null if the token is not limited to clusters or projects.
    """

    groups: list[OwnGroup]
    permissions: list[str]
    token: str
    token_reach: TokenReach | None
    must_change_password: bool
    csrf_token: str | None = None
