"""What is so at the moment of a scrape: looked up then, and at no cost before."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from management.controllers.manager import ControllerManager
from management.provider_registry import ProviderRegistry
from management.resolver import TokenResolver
from proxy.clusters import ClusterDirectory


class StateCollector(Collector):
    """The token cache, and the health of every cluster's API servers and of every provider."""

    def __init__(
        self,
        resolver: TokenResolver,
        directory: ClusterDirectory,
        providers: ProviderRegistry,
        controllers: ControllerManager,
    ) -> None:
        self._controllers = controllers
        self._resolver = resolver
        self._directory = directory
        self._providers = providers

    def collect(self) -> Iterator[Metric]:
        """Every metric with its value of now."""
        resolver = self._resolver
        yield CounterMetricFamily(
            "sekisho_token_cache_hits",
            "Tokens that were known without asking the store.",
            value=resolver.hits,
        )
        yield CounterMetricFamily(
            "sekisho_token_cache_misses",
            "Tokens that the store was asked for; many at once for one token are one question.",
            value=resolver.misses,
        )
        yield GaugeMetricFamily(
            "sekisho_token_cache_entries", "Tokens in the cache.", value=resolver.entries
        )
        yield self._masters()
        up = GaugeMetricFamily(
            "sekisho_provider_up",
            "Whether an enabled provider was well when it was last checked (1) or not (0).",
            labels=["provider"],
        )
        for name, wrong in self._providers.health().items():
            up.add_metric([name], float(wrong is None))
        yield up
        yield from self._looked_after()

    def _looked_after(self) -> Iterator[Metric]:
        """The clusters that this replica looks after, and what that takes."""
        settled = GaugeMetricFamily(
            "sekisho_controller_settled",
            "Whether a cluster that this replica looks after is as it shall be (1) or not (0).",
            labels=["cluster"],
        )
        calls = CounterMetricFamily(
            "sekisho_controller_calls",
            "Lists, watches and writes in a cluster since this replica looks after it.",
            labels=["cluster"],
        )
        writes = CounterMetricFamily(
            "sekisho_controller_writes",
            "Objects made, changed or deleted in a cluster since this replica looks after it.",
            labels=["cluster"],
        )
        for care in self._controllers.cares.values():
            keeper = care.keeper
            if keeper is not None:
                settled.add_metric([care.cluster.name], float(keeper.problem is None))
                calls.add_metric([care.cluster.name], keeper.calls)
                writes.add_metric([care.cluster.name], keeper.writes)
        yield from (settled, calls, writes)

    def _masters(self) -> Metric:
        family = GaugeMetricFamily(
            "sekisho_upstream_master_healthy",
            "Whether an API server gets its share of requests (1) or is left alone now (0).",
            labels=["cluster", "master"],
        )
        for downstream in self._directory.all():
            for master in downstream.pool.masters:
                where = f"{master.host}:{master.port}"
                family.add_metric([downstream.cluster.name, where], float(master.healthy))
        return family
