"""Limits on requests and connections of clients. 0 means no limit. Pure."""

from datetime import timedelta
from typing import Self

from pydantic import ByteSize, Field, model_validator

from config.section import Duration, Lag, Section, refuse_more


class ScopeLimits(Section):
    """Limits for one token, user, address or cluster."""

    requests_per_second: float = Field(default=0, ge=0)
    """Average number of new requests per second."""

    burst: int = Field(default=0, ge=0)
    """New requests at one moment; 0: twice ``requests_per_second``."""

    in_flight: int = Field(default=0, ge=0)
    """Concurrent ordinary requests."""

    watches: int = Field(default=0, ge=0)
    """Concurrent watches and followed logs."""

    upgrades: int = Field(default=0, ge=0)
    """Concurrent exec, attach and port-forward sessions."""


class TokenLimits(ScopeLimits):
    """Limits for each token: they stop a runaway pipeline without effect on other clients."""

    in_flight: int = Field(default=500, ge=0)
    watches: int = Field(default=5_000, ge=0)
    upgrades: int = Field(default=250, ge=0)


class UserLimits(ScopeLimits):
    """Limits for each user, over all of the user's tokens."""

    in_flight: int = Field(default=1_000, ge=0)
    watches: int = Field(default=10_000, ge=0)
    upgrades: int = Field(default=500, ge=0)


class AddressLimits(ScopeLimits):
    """Limits for each client address. No limit by default: many users may share one."""


class ClusterLimits(ScopeLimits):
    """Limits for each cluster, over all callers. See also
    ``upstream.max_connections_per_cluster``.
    """


class AnonymousLimits(Section):
    """Limits for requests without a valid credential, which protect authenticated callers.

    A network is an IPv4 address or an IPv6 /64.
    """

    requests_per_second: float = Field(default=100, ge=0)
    """Average number of requests of one network: an office that signs in from one address."""

    burst: int = Field(default=500, ge=0)
    """New requests of one network at one moment; 0: twice ``requests_per_second``."""

    in_flight: int = Field(default=64, ge=0)
    """Concurrent requests of one network."""

    total_per_second: float = Field(default=300, ge=0)
    """Average number of requests of all networks. Networks with few requests are served anyway."""

    total_burst: int = Field(default=1500, ge=0)
    """New requests of all networks at one moment; 0: twice ``total_per_second``."""

    total_in_flight: int = Field(default=256, ge=0)
    """Concurrent requests of all networks."""

    probes_per_second: float = Field(default=20, ge=0)
    """Requests of one network to ``/healthz`` and ``/readyz``, which are counted separately."""

    sign_ins_per_minute: int = Field(default=30, ge=0)
    """Sign-ins of one network that begin at a provider (in the browser, or with a code)."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        rates = ("requests_per_second", "total_per_second")
        refuse_more(self, rates, ("burst", "total_burst"), ("in_flight", "total_in_flight"))
        return self


class ConnectionLimits(Section):
    """Limits on client connections. A connection is *known* after an authenticated request."""

    total: int = Field(default=0, ge=0)
    """Connections of all clients; 0: half of the process's file descriptors."""

    reserve: float = Field(default=0.25, ge=0, lt=1)
    """The part of ``total`` for known connections, and for networks that recently had one."""

    per_network: int = Field(default=256, ge=0)
    """Unknown connections of one network (an IPv4 address or an IPv6 /64); 0: no limit."""

    per_known_network: int = Field(default=4096, ge=0)
    """The same for a network that recently had a known connection: an office, or a machine with
    many clients."""

    stranger_timeout: Duration = timedelta(seconds=30)
    """How long an unknown connection may be idle, and how long a request's header may take."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        networks = ("per_network", "per_known_network")
        refuse_more(self, networks, ("per_network", "total"), ("per_known_network", "total"))
        return self


class OverloadSettings(Section):
    """Overload control: an overloaded worker first rejects requests of the busiest users."""

    enabled: bool = True
    """Whether an overloaded worker rejects requests."""

    lag_threshold: Lag = timedelta(milliseconds=30)
    """A worker is overloaded when the mean lag of its event loop is above this for half a second.
    A busy worker whose clients wait for their responses has a lag of a few milliseconds, which is
    harmless. ``0s``: always overloaded, to try it."""

    critical_lag: Lag = Field(default=timedelta(milliseconds=500), ge=timedelta(milliseconds=1))
    """Above this lag, users who send no more requests than others are rejected, too."""

    min_rate: float = Field(default=50, ge=1)
    """Requests per second that a user may begin without rejection, up to ``critical_lag``."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.critical_lag < self.lag_threshold:
            raise ValueError("critical_lag is less than lag_threshold; raise it")
        return self


class LimitSettings(Section):
    """Limits of each replica. Replicas do not share counters."""

    token: TokenLimits = TokenLimits()
    user: UserLimits = UserLimits()
    address: AddressLimits = AddressLimits()
    cluster: ClusterLimits = ClusterLimits()
    anonymous: AnonymousLimits = AnonymousLimits()
    connections: ConnectionLimits = ConnectionLimits()
    overload: OverloadSettings = OverloadSettings()

    body: ByteSize = ByteSize(1024**3)
    """The largest request body. An API server accepts 3 MiB; a proxied service may accept more."""

    body_timeout: Duration = timedelta(seconds=10)
    """The time limit for the body of a request to the API or the sign-in page."""

    body_rate: ByteSize = ByteSize(128)
    """The lowest rate of a body for a cluster, in bytes per second over ``body_rate_window``; 0: no
    limit."""

    body_rate_window: Duration = timedelta(seconds=30)
    """How long a body for a cluster may stay below ``body_rate``."""

    head_line: ByteSize = Field(default=ByteSize(1024**2), ge=8192, le=64 * 1024**2)
    """The longest request line or header line. The command of exec is part of the URL, and an API
    server accepts a line that fills the whole header."""

    head: ByteSize = Field(default=ByteSize(1024**2), ge=64 * 1024, le=64 * 1024**2)
    """The largest request line and header together: as much as an API server reads."""

    head_lines: int = Field(default=512, ge=64, le=1024)
    """The largest number of header lines."""
