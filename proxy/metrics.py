"""What the gate counts, for Prometheus. Label sets are bounded: clusters, verbs, codes, kinds.

Children are looked up once and kept, for a look-up by label costs more than the counting.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class GateMetrics:
    """The gate's own metrics, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "sekisho_requests_total",
            "Requests by cluster, Kubernetes verb and status code.",
            ["cluster", "verb", "code"],
            registry=registry,
        )
        self.latency = Histogram(
            "sekisho_request_duration_seconds",
            "Time from a request's head to the end of its answer; watches and upgrades excluded.",
            ["cluster", "verb"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "sekisho_requests_in_flight",
            "Requests being served, watches and upgrades included.",
            registry=registry,
        )
        self.watches = Gauge(
            "sekisho_open_watches", "Watches being served.", ["cluster"], registry=registry
        )
        self.upgrades = Gauge(
            "sekisho_open_upgrades",
            "Upgraded connections (exec, attach, port-forward) being served.",
            ["cluster"],
            registry=registry,
        )
        self.sent = Counter(
            "sekisho_sent_bytes_total",
            "Body bytes relayed to clients.",
            ["cluster"],
            registry=registry,
        )
        self.authentications = Counter(
            "sekisho_authentications_total",
            "Credentials looked at, by provider and outcome "
            "(accepted, refused, missing, malformed, unavailable).",
            ["provider", "outcome"],
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
        self._finished: dict[tuple[str, str, int], Callable[[], None]] = {}
        self._observed: dict[tuple[str, str], Callable[[float], None]] = {}
        self._relayed: dict[str, Callable[[float], None]] = {}
        self._authenticated: dict[tuple[str, str], Callable[[], None]] = {}

    def finished(self, cluster: str, verb: str, code: int) -> None:
        """Count a request that has been answered."""
        key = (cluster, verb, code)
        count = self._finished.get(key)
        if count is None:
            count = self._finished[key] = self.requests.labels(cluster, verb, str(code)).inc
        count()

    def took(self, cluster: str, verb: str, seconds: float) -> None:
        """Record how long an ordinary request took."""
        key = (cluster, verb)
        observe = self._observed.get(key)
        if observe is None:
            observe = self._observed[key] = self.latency.labels(cluster, verb).observe
        observe(seconds)

    def count_limited(self, scope: str) -> None:
        """Count a request that a limit of ``scope`` refused."""
        self.limited.labels(scope).inc()

    def count_refreshed(self, provider: str, outcome: str) -> None:
        """Count an identity that its provider was asked about."""
        self.refreshed.labels(provider, outcome).inc()

    def relayed(self, cluster: str, sent: int) -> None:
        """Count body bytes that went to a client."""
        count = self._relayed.get(cluster)
        if count is None:
            count = self._relayed[cluster] = self.sent.labels(cluster).inc
        count(sent)

    def authenticated(self, provider: str, outcome: str) -> None:
        """Count a credential that was looked at."""
        key = (provider, outcome)
        count = self._authenticated.get(key)
        if count is None:
            count = self._authenticated[key] = self.authentications.labels(provider, outcome).inc
        count()

    def forget_cluster(self, cluster: str) -> None:
        """Drop what is kept under a cluster's name, when the cluster is gone."""
        self._finished = {k: v for k, v in self._finished.items() if k[0] != cluster}
        self._observed = {k: v for k, v in self._observed.items() if k[0] != cluster}
        self._relayed.pop(cluster, None)
        for metric in (self.requests, self.latency, self.watches, self.upgrades, self.sent):
            metric.remove_by_labels({"cluster": cluster})
        self.upstream_errors.remove_by_labels({"cluster": cluster})
        self.upstream_connections.remove_by_labels({"cluster": cluster})
