"""What is recorded about tunnels: log lines, an audit event for each request, and metrics."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.loggers import get_logger
from management.http.problem import REQUEST_ID
from management.http.request_notes import ADDRESS, NOTES
from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.local_tunnels import LocalTunnels
from proxy.logs.access_log import AccessLog
from proxy.request.context import RequestContext

_LOG = get_logger(__name__)

Observer = Callable[[web.BaseRequest, web.StreamResponse, float], None]
"""Records a request for the audit log."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request for a tunnel: when it arrived (seconds since the epoch), and from where."""

    request_id: str
    address: str
    received: float


class TunnelRecords(Collector):
    """Records tunnels, and yields the metrics of those in ``tunnels``."""

    def __init__(
        self, tunnels: LocalTunnels, access_log: AccessLog | None, observer: Observer | None
    ) -> None:
        self._tunnels = tunnels
        self._access_log = access_log
        self._observer = observer
        self._ended_bytes = {"received": 0, "sent": 0}

    def answered(
        self, request: web.BaseRequest, response: web.StreamResponse, asked: Asked, **notes: str
    ) -> None:
        """Record the response to a request, which is 101 for an open tunnel."""
        if self._observer is not None:
            request[ADDRESS] = asked.address
            request[REQUEST_ID] = asked.request_id
            request[NOTES] = notes
            self._observer(request, response, asked.received)

    def opened(self, tunnel: AgentTunnel) -> None:
        """Record that an agent has introduced itself."""
        hello = tunnel.hello
        assert hello is not None
        _LOG.info(
            "tunnel opened",
            tunnel=tunnel.id,
            cluster=tunnel.owner.cluster_name,
            pod=hello.pod,
            node=hello.node,
            version=hello.version,
        )

    def ended(self, tunnel: AgentTunnel, asked: Asked, reason: str) -> None:
        """Record the end of a tunnel."""
        connection = tunnel.connection
        self._ended_bytes["received"] += connection.bytes_in
        self._ended_bytes["sent"] += connection.bytes_out
        now = time.time()
        _LOG.info(
            "tunnel ended",
            tunnel=tunnel.id,
            cluster=tunnel.owner.cluster_name,
            reason=reason,
            seconds=round(now - asked.received, 3),
            bytes_received=connection.bytes_in,
            bytes_sent=connection.bytes_out,
        )
        if self._access_log is not None:
            context = RequestContext(asked.address, "GET", "/v1/tunnel", asked.received)
            context.request_id = asked.request_id
            context.cluster = tunnel.owner.cluster_name
            context.status, context.reason = 101, reason
            context.bytes_sent = connection.bytes_out
            context.duration = now - asked.received
            self._access_log.record(context)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their current values."""
        tunnels = GaugeMetricFamily(
            "sekisho_tunnels", "Open tunnels of agents at this process.", labels=["cluster"]
        )
        streams = GaugeMetricFamily(
            "sekisho_tunnel_streams", "Open streams in tunnels of agents.", labels=["cluster"]
        )
        rtt = GaugeMetricFamily(
            "sekisho_tunnel_rtt_seconds",
            "The longest of the last round-trip times of a cluster's tunnels.",
            labels=["cluster"],
        )
        counts = dict(self._ended_bytes)
        for cluster_id in self._tunnels.clusters:
            held = self._tunnels.of(cluster_id)
            name = [held[0].owner.cluster_name]
            tunnels.add_metric(name, len(held))
            streams.add_metric(name, sum(max(one.connection.streams - 1, 0) for one in held))
            rtt.add_metric(name, max(one.connection.round_trip for one in held))
            counts["received"] += sum(one.connection.bytes_in for one in held)
            counts["sent"] += sum(one.connection.bytes_out for one in held)
        sizes = CounterMetricFamily(
            "sekisho_tunnel_bytes", "Bytes in tunnels, by direction.", labels=["direction"]
        )
        for direction, size in counts.items():
            sizes.add_metric([direction], size)
        yield from (tunnels, streams, rtt, sizes)
