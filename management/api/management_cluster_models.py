"""Models of the responses about management clusters."""

from management.api.response_model import ResponseModel


class ClassGrantResponse(ResponseModel):
    """A class that may be ordered from. ``roles`` are ids of global roles; none: everyone."""

    name: str
    roles: list[str]
    clusters: int | None


class LimitsResponse(ResponseModel):
    """Limits of a management cluster. Null: those of the settings."""

    clusters_per_user: int | None
    workers_per_cluster: int | None
    workers: int | None


class ManagementClusterResponse(ResponseModel):
    """A management cluster. ``unreadable`` is why its token cannot be decrypted, or empty."""

    id: str
    namespace: str
    classes: list[ClassGrantResponse]
    limits: LimitsResponse
    token_expires_at: str
    unreadable: str
