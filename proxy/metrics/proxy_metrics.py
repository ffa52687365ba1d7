"""What the gate counts, for Prometheus. Label sets are bounded: clusters, verbs, codes, kinds.

What moves with every request is in :mod:`proxy.traffic`; here is what moves now and then.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge

from proxy.traffic import Traffic


class GateMetrics:
    """The gate's own metrics, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.traffic = Traffic()
        registry.register(self.traffic)
        self.watches = Gauge(
            "sekisho_open_watches", "Watches being served.", ["cluster"], registry=registry
        )
        self.upgrades = Gauge(
            "sekisho_open_upgrades",
            "Upgraded connections (exec, attach, port-forward) being served.",
            ["cluster"],
            registry=registry,
        )
        self.upstream_errors = Counter(
            "sekisho_upstream_errors_total",
            "Failures to get an answer from a cluster's API server, by kind.",
            ["cluster", "kind"],
            registry=registry,
        )
        self.upstream_connections = Gauge(
            "sekisho_upstream_connections",
            "Open connections to a cluster's API servers.",
            ["cluster"],
            registry=registry,
        )
        self.access_log_lost = Counter(
            "sekisho_access_log_lost_total",
            "Access log lines dropped because the log's reader was too slow.",
            registry=registry,
        )
        self.audit_log_lost = Counter(
            "sekisho_audit_log_lost_total",
            "Audit events dropped because they could not be written, or not fast enough.",
            registry=registry,
        )
        self.refreshed = Counter(
            "sekisho_identity_refreshes_total",
            "Identities that their provider was asked about again, by provider and outcome "
            "(refreshed, refused, unavailable).",
            ["provider", "outcome"],
            registry=registry,
        )
        self.limited = Counter(
            "sekisho_limited_requests_total",
            "Requests answered 429 because of a limit, by whose (token, user, address, cluster).",
            ["scope"],
            registry=registry,
        )
        self.malformed = Counter(
            "sekisho_malformed_requests_total",
            "Requests whose head is not valid HTTP, or too large.",
            registry=registry,
        )

    def count_limited(self, scope: str) -> None:
        """Count a request that a limit of ``scope`` refused."""
        self.limited.labels(scope).inc()

    def count_refreshed(self, provider: str, outcome: str) -> None:
        """Count an identity that its provider was asked about."""
        self.refreshed.labels(provider, outcome).inc()

    def forget_cluster(self, cluster: str) -> None:
        """Drop what is kept under a cluster's name, when the cluster is gone."""
        self.traffic.forget_cluster(cluster)
        for metric in (self.watches, self.upgrades):
            metric.remove_by_labels({"cluster": cluster})
        self.upstream_errors.remove_by_labels({"cluster": cluster})
        self.upstream_connections.remove_by_labels({"cluster": cluster})
