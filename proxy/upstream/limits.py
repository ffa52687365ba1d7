"""Limits and times of the connections to one cluster."""

from dataclasses import dataclass

from config.cluster_settings import UpstreamSettings


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Times in seconds, numbers of connections, and requests per connection (0: unlimited)."""

    connect_timeout: float = 10.0
    header_timeout: float = 120.0
    idle_ttl: float = 60.0
    max_connections: int = 10_000
    max_age: float = 600.0
    max_requests: int = 10_000


def pool_limits(settings: UpstreamSettings) -> PoolLimits:
    """Return the limits that the operator has set."""
    return PoolLimits(
        connect_timeout=settings.connect_timeout.total_seconds(),
        header_timeout=settings.response_head_timeout.total_seconds(),
        idle_ttl=settings.idle_connection_ttl.total_seconds(),
        max_connections=settings.max_connections_per_cluster,
        max_age=settings.connection_max_age.total_seconds(),
        max_requests=settings.connection_max_requests,
    )
