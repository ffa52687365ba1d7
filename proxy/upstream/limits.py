"""Limits and times of the connections to one cluster."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Times in seconds, numbers of connections, and requests per connection (0: unlimited)."""

    connect_timeout: float = 10.0
    header_timeout: float = 120.0
    idle_ttl: float = 60.0
    max_connections: int = 10_000
    max_age: float = 600.0
    max_requests: int = 10_000
