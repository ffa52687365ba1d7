"""The proxy's Prometheus metrics. Label sets are bounded: clusters, verbs, codes, kinds.

Numbers that change with every request are in :mod:`proxy.metrics.request_metrics`; the ones here
change less often.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge

from proxy.limits.connections import ConnectionLimiter
from proxy.metrics.request_metrics import RequestMetrics


class ProxyMetrics:
    """The proxy's metrics, registered in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.traffic = RequestMetrics()
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
            "Failures to get a response from a cluster's API server, by kind.",
            ["cluster", "kind"],
            registry=registry,
        )
        self.upstream_connections = Gauge(
            "sekisho_upstream_connections",
            "Open connections to a cluster's API servers.",
            ["cluster"],
            registry=registry,
        )
        self.access_log_dropped = Counter(
            "sekisho_access_log_dropped_total",
            "Access log lines dropped because the log's reader was too slow.",
            registry=registry,
        )
        self.audit_log_dropped = Counter(
            "sekisho_audit_log_dropped_total",
            "Audit events dropped because they could not be written, or not fast enough.",
            registry=registry,
        )
        self.audit_log_over_budget = Counter(
            "sekisho_audit_log_over_budget_total",
            "Audit events without an authenticated user that were dropped: over their budget.",
            registry=registry,
        )
        self.audit_search_dropped = Counter(
            "sekisho_audit_search_dropped_total",
            "Audit events that cannot be searched, by reason (rate: over "
            "audit.search.max_per_minute or a user's part of it; store: it was away or too slow).",
            ["reason"],
            registry=registry,
        )
        self.refreshed = Counter(
            "sekisho_identity_refreshes_total",
            "Refreshes of identities at their provider, by provider and outcome "
            "(refreshed, refused, sign_in_needed, failed, unavailable, unsupported).",
            ["provider", "outcome"],
            registry=registry,
        )
        self.not_refreshed = Gauge(
            "sekisho_identities_not_refreshed",
            "Users of a provider whose last three or more refreshes have all failed.",
            ["provider"],
            registry=registry,
        )
        self.rejected = Counter(
            "sekisho_rejected_requests_total",
            "Requests rejected with 429 or 503, by the limit's scope (token, user, address, "
            "cluster, anonymous, overload).",
            ["scope"],
            registry=registry,
        )
        self.malformed = Counter(
            "sekisho_malformed_requests_total",
            "Requests whose head is not valid HTTP, or too large.",
            registry=registry,
        )

        self.connections_refused = Counter(
            "sekisho_refused_connections_total",
            "Connections that were refused, by the limit that was reached (network, reserve, "
            "total), or system where the operating system had no descriptor.",
            ["reason"],
            registry=registry,
        )
        self.client_connections = Gauge(
            "sekisho_client_connections",
            "Connections of clients, by whether a request on them had a valid credential.",
            ["known"],
            registry=registry,
        )
        self.slow_bodies = Counter(
            "sekisho_slow_bodies_total",
            "Request bodies that were aborted because they did not arrive in time.",
            registry=registry,
        )

    def count_limited(self, scope: str) -> None:
        """Count a request that a limit of ``scope`` rejected."""
        self.rejected.labels(scope).inc()

    def count_not_searchable(self, reason: str) -> None:
        """Count an audit event that cannot be searched."""
        self.audit_search_dropped.labels(reason).inc()

    def count_refused_connection(self, reason: str) -> None:
        """Count a connection that was refused."""
        self.connections_refused.labels(reason).inc()

    def watch_connections(self, connections: ConnectionLimiter) -> None:
        """Read the number of connections at each scrape."""
        self.client_connections.labels("true").set_function(lambda: connections.callers)
        self.client_connections.labels("false").set_function(lambda: connections.anonymous)

    def count_refreshed(self, provider: str, outcome: str) -> None:
        """Count a refresh of an identity."""
        self.refreshed.labels(provider, outcome).inc()

    def show_not_refreshed(self, provider: str, people: int) -> None:
        """Set how many users of a provider can't be refreshed."""
        self.not_refreshed.labels(provider).set(people)

    def forget_cluster(self, cluster: str) -> None:
        """Drop all metrics of a removed cluster."""
        self.traffic.forget_cluster(cluster)
        for metric in (self.watches, self.upgrades):
            metric.remove_by_labels({"cluster": cluster})
        self.upstream_errors.remove_by_labels({"cluster": cluster})
        self.upstream_connections.remove_by_labels({"cluster": cluster})
