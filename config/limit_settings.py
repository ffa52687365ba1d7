"""How much of the gate one caller may have. 0 is no limit."""

from typing import Self

from pydantic import ByteSize, Field, model_validator

from config.section import Section


class ScopeLimits(Section):
    """What one token, user, address or cluster may have at once."""

    requests_per_second: float = Field(default=0, ge=0)
    """Requests that may begin each second on average."""

    burst: int = Field(default=0, ge=0)
    """How many may begin at once; 0: twice ``requests_per_second``."""

    in_flight: int = Field(default=0, ge=0)
    """Ordinary requests at a time."""

    watches: int = Field(default=0, ge=0)
    """Watches and followed logs at a time."""

    upgrades: int = Field(default=0, ge=0)
    """exec, attach and port-forward sessions at a time."""


class TokenLimits(ScopeLimits):
    """For each token: a runaway pipeline is stopped here, and nobody else with it."""

    in_flight: int = Field(default=500, ge=0)
    watches: int = Field(default=5_000, ge=0)
    upgrades: int = Field(default=250, ge=0)


class UserLimits(ScopeLimits):
    """For each user, over all their tokens."""

    in_flight: int = Field(default=1_000, ge=0)
    watches: int = Field(default=10_000, ge=0)
    upgrades: int = Field(default=500, ge=0)


class AddressLimits(ScopeLimits):
    """For each client address. No limit by default: many people may share one."""


class ClusterLimits(ScopeLimits):
    """For each cluster, over all callers; ``gate.max_connections_per_cluster`` is another."""


class OverloadSettings(Section):
    """What a worker does that can't keep up: who asks for most is told to come back first."""

    enabled: bool = True

    late_ms: float = Field(default=30, ge=0)
    """Overloaded is who comes this much too late to what is due, in milliseconds, for half a
    second. A full worker whose clients wait for their answers is a few milliseconds late, which
    harms nobody. 0: always, to try it."""

    very_late_ms: float = Field(default=500, ge=1)
    """From here on it isn't only those who ask for more than others that are refused."""

    small: float = Field(default=50, ge=1)
    """Who begins fewer requests a second than this is served until the worker is very late."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.very_late_ms < self.late_ms:
            raise ValueError("very_late_ms is less than late_ms")
        return self


class LimitSettings(Section):
    """Limits for each replica by itself: replicas don't count together."""

    token: TokenLimits = TokenLimits()
    user: UserLimits = UserLimits()
    address: AddressLimits = AddressLimits()
    cluster: ClusterLimits = ClusterLimits()
    overload: OverloadSettings = OverloadSettings()

    body: ByteSize = ByteSize(1024**3)
    """The largest request body; an API server takes 3 MiB, a proxied service may take more."""

    head_line: ByteSize = Field(default=ByteSize(64 * 1024), ge=8192, le=1024**2)
    """The longest request line or header line: a command for exec travels in a URL."""

    head: ByteSize = Field(default=ByteSize(1024**2), ge=64 * 1024, le=64 * 1024**2)
    """The largest head in all, as much as an API server reads: an address may open many."""

    head_lines: int = Field(default=512, ge=64, le=1024)
    """The most header lines."""
