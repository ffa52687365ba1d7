"""Metrics that are read from other objects at each scrape and cost nothing otherwise."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from management.authentication.token_authenticator import TokenAuthenticator
from management.controllers.manager import ControllerManager
from management.identity.provider_registry import ProviderRegistry
from proxy.monitoring.cluster_collector import cluster_metrics
from proxy.monitoring.memory_metrics import memory_metrics
from proxy.upstream.registry import UpstreamRegistry
from store.interfaces import Changes

_FAULTS = {
    "oversized_answers": "Oversized responses of a cluster; lists continue in smaller pages.",
    "malformed_objects": "Malformed objects in responses of a cluster, which were skipped.",
    "failed_collections": "Failed lists and watches of a cluster, which are retried.",
}
"""Help texts of the counters in :class:`management.kubernetes.client.Faults`, by first word."""


class StateCollector(Collector):
    """Metrics of the token cache, API servers, providers and cluster controllers."""

    def __init__(
        self,
        resolver: TokenAuthenticator,
        directory: UpstreamRegistry,
        providers: ProviderRegistry,
        controllers: ControllerManager,
        changes: Changes,
    ) -> None:
        self._changes = changes
        self._controllers = controllers
        self._resolver = resolver
        self._directory = directory
        self._providers = providers

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics with their current values."""
        resolver = self._resolver
        yield CounterMetricFamily(
            "sekisho_token_cache_hits",
            "Tokens found in the cache, without a read of the store.",
            value=resolver.hits,
        )
        yield CounterMetricFamily(
            "sekisho_token_cache_misses",
            "Tokens read from the store. Lookups of one token at the same time are one read.",
            value=resolver.misses,
        )
        yield GaugeMetricFamily(
            "sekisho_token_cache_entries", "Tokens in the cache.", value=resolver.entries
        )
        yield CounterMetricFamily(
            "sekisho_change_feed_checks",
            "How often it was certain that the changes of other processes had arrived.",
            value=self._changes.checks,
        )
        yield self._hosts()
        up = GaugeMetricFamily(
            "sekisho_provider_up",
            "Whether an enabled provider passed its last check (1) or not (0).",
            labels=["provider"],
        )
        for name, problem in self._providers.health().items():
            up.add_metric([name], float(problem is None))
        yield up
        yield from self._controllers_state()
        yield from cluster_metrics(self._controllers.clusters.values())
        yield from memory_metrics(self._controllers)

    def _controllers_state(self) -> Iterator[Metric]:
        """Yield the metrics of the clusters whose leases this replica holds."""
        synced = GaugeMetricFamily(
            "sekisho_controller_synced",
            "Whether a cluster that this replica manages is in the desired state (1) or not (0).",
            labels=["cluster"],
        )
        leader = GaugeMetricFamily(
            "sekisho_controller_leader",
            "Always 1, for each cluster that this replica manages.",
            labels=["cluster"],
        )
        age = GaugeMetricFamily(
            "sekisho_controller_queue_age_seconds",
            "How long the oldest change waits that is not in a cluster yet.",
            labels=["cluster"],
        )
        calls = CounterMetricFamily(
            "sekisho_controller_calls",
            "Lists, watches and writes in a cluster since this replica acquired its lease.",
            labels=["cluster"],
        )
        writes = CounterMetricFamily(
            "sekisho_controller_writes",
            "Objects created, changed or deleted in a cluster since this replica got its lease.",
            labels=["cluster"],
        )
        faults = {
            name: CounterMetricFamily(f"sekisho_controller_{name}", text, labels=["cluster"])
            for name, text in _FAULTS.items()
        }
        for managed in self._controllers.clusters.values():
            leader.add_metric([managed.cluster.name], 1.0)
            if managed.client is not None:
                for name, family in faults.items():
                    count = getattr(managed.client.faults, name.partition("_")[0])
                    family.add_metric([managed.cluster.name], count)
            reconciler = managed.reconciler
            if reconciler is not None:
                synced.add_metric([managed.cluster.name], float(reconciler.problem is None))
                age.add_metric([managed.cluster.name], reconciler.waiting_seconds)
                calls.add_metric([managed.cluster.name], reconciler.calls)
                writes.add_metric([managed.cluster.name], reconciler.writes)
        yield from (leader, synced, age, calls, writes, *faults.values())

    def _hosts(self) -> Metric:
        family = GaugeMetricFamily(
            "sekisho_upstream_host_healthy",
            "Whether an upstream host gets its share of requests (1) or is ejected (0).",
            labels=["cluster", "host"],
        )
        for upstream in self._directory.all():
            for host in upstream.pool.hosts:
                address = f"{host.name}:{host.port}"
                family.add_metric([upstream.cluster.name, address], float(host.healthy))
        return family
