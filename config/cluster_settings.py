"""Settings of clusters and of the connections to them. Pure."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Self

from pydantic import ByteSize, Field, field_validator, model_validator

from config.section import Duration, Networks, Section


class UpstreamSettings(Section):
    """Connections to API servers."""

    connect_timeout: Duration = timedelta(seconds=10)
    """The time limit for a connection to an API server, TLS handshake included."""

    response_head_timeout: Duration = timedelta(seconds=120)
    """From a request's end to its response header: more than an API server's own 60 s."""

    idle_connection_ttl: Duration = timedelta(seconds=60)
    """How long an idle connection to an API server is kept."""

    connection_max_age: Duration = timedelta(minutes=10)
    """The age, give or take a fifth, after which a connection gets no further request."""

    connection_max_requests: int = Field(default=10_000, ge=0)
    """The number of requests, give or take a fifth, that a connection gets; 0: no limit."""

    max_connections_per_cluster: int = Field(default=10_000, ge=1)
    """Requests in flight to one cluster, watches and upgrades included."""

    upgrade_idle_timeout: Duration = timedelta(hours=4)
    """How long an exec or port-forward may be idle, as in a kubelet."""


class ControllerSettings(Section):
    """The controllers of clusters: roles, projects, accounts, nodes and health."""

    enabled: bool = True
    """Whether this replica runs controllers. One enabled replica manages each cluster."""

    normal_events: bool = False
    """Whether events that are no warnings are read, too: each cluster's newest 200."""

    memory: ByteSize = Field(default=ByteSize(0), ge=0)
    """What the objects of all clusters may take in each worker, by estimate; 0: a quarter of the
    memory that the process may use, shared by the workers, and at least 64 MiB."""

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: ByteSize) -> ByteSize:
        if 0 < value < 16 * 1024**2:
            raise ValueError("less than 16 MiB is too little for one cluster; give 0 or more")
        return value


class ClusterSettings(Section):
    """Addresses of clusters. Each connection is checked with the address that it goes to."""

    allow_networks: Networks = ()
    """Networks that are allowed although they are denied by default: ``127.0.0.0/8``."""

    deny_networks: Networks = ()
    """Networks that are denied. If several networks match, the most specific one decides."""

    @model_validator(mode="after")
    def _one_decision(self) -> Self:
        denied = set(map(ip_network, self.deny_networks))
        both = [one for one in self.allow_networks if ip_network(one) in denied]
        if both:
            raise ValueError(f"allow_networks and deny_networks both have {both[0]}; remove one")
        return self
