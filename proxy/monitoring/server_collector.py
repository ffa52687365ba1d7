"""Metrics of the server itself: build, certificates, store, sign-ins, and what is in use."""

import importlib.metadata
import platform
from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from config.build_origin import build_origin
from management.clusters.ending_credentials import authority_ends_at
from management.identity.sign_in_counts import SignInCounts
from proxy.background.tasks import BackgroundTasks
from proxy.metrics import request_metrics
from proxy.monitoring.in_use import InUse
from proxy.transport.server_tls import ServerTls
from store.interfaces import Store
from store.statistics import BUCKETS, StoreStatistics

_BOUNDS = (*map(str, BUCKETS), "+Inf")


class ServerCollector(Collector):
    """Reads the numbers of other objects at each scrape, without I/O."""

    def __init__(
        self, tls: ServerTls, store: StoreStatistics, sign_ins: SignInCounts, in_use: InUse
    ) -> None:
        self._tls = tls
        self._store = store
        self._sign_ins = sign_ins
        self._in_use = in_use

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics with their current values."""
        yield _build()
        yield _end(
            "sekisho_server_certificate_expiry_timestamp_seconds",
            "When the main listener's certificate ends, in Unix time.",
            self._tls.certificate_ends_at,
        )
        ca_pem = self._tls.ca_pem
        yield _end(
            "sekisho_ca_certificate_expiry_timestamp_seconds",
            "When the CA ends that clients of the main listener trust, in Unix time.",
            authority_ends_at(ca_pem) if ca_pem else None,
        )
        yield from self._operations()
        sign_ins = CounterMetricFamily(
            "sekisho_sign_ins",
            "Sign-ins by provider and outcome (accepted, refused, throttled, unavailable).",
            labels=["provider", "outcome"],
        )
        for labels, count in self._sign_ins.items():
            sign_ins.add_metric(labels, count)
        yield sign_ins
        yield from self._people()

    def _operations(self) -> Iterator[Metric]:
        durations = HistogramMetricFamily(
            "sekisho_store_duration_seconds",
            "Duration of reads and writes, from the wait for a connection to the commit.",
            labels=["operation"],
        )
        errors = CounterMetricFamily(
            "sekisho_store_errors",
            "Reads and writes that failed because the database was not usable.",
            labels=["operation"],
        )
        for name, one in self._store.operations():
            below, buckets = 0, []
            for bound, count in zip(_BOUNDS, one.buckets, strict=True):
                below += count
                buckets.append((bound, float(below)))
            durations.add_metric([name], buckets, one.seconds)
            errors.add_metric([name], one.errors)
        yield from (durations, errors)

    def _people(self) -> Iterator[Metric]:
        users = GaugeMetricFamily(
            "sekisho_users",
            "Users by state (enabled, disabled). Only one process reports them.",
            labels=["state"],
        )
        tokens = GaugeMetricFamily(
            "sekisho_valid_tokens",
            "Tokens that have not ended, by kind (session, token, kubeconfig).",
            labels=["kind"],
        )
        used = GaugeMetricFamily(
            "sekisho_used_tokens", "Tokens that have not ended, and were used within a day."
        )
        found = self._in_use.latest
        if found is not None:
            users.add_metric(["enabled"], found.users.total - found.users.disabled)
            users.add_metric(["disabled"], found.users.disabled)
            tokens.add_metric(["session"], found.tokens.sessions)
            tokens.add_metric(["token"], found.tokens.tokens)
            tokens.add_metric(["kubeconfig"], found.tokens.kubeconfigs)
            used.add_metric([], found.tokens.used)
        yield from (users, tokens, used)


def observe_server(
    registry: CollectorRegistry,
    background: BackgroundTasks,
    tls: ServerTls,
    store: Store,
    sign_ins: SignInCounts,
) -> None:
    """Register the collector, and count users and tokens in the background."""
    in_use = InUse(store)
    registry.register(ServerCollector(tls, store.statistics, sign_ins, in_use))
    background.keep("statistics", in_use.read_forever)


def _build() -> Metric:
    family = GaugeMetricFamily(
        "sekisho_build_info",
        "Always 1. compiled: whether the request path is (true) or not (false).",
        labels=["version", "python", "compiled", "commit"],
    )
    is_compiled = not (request_metrics.__file__ or "").endswith(".py")
    version = importlib.metadata.version("sekisho")
    commit = build_origin().get("commit", "")
    family.add_metric([version, platform.python_version(), str(is_compiled).lower(), commit], 1.0)
    return family


def _end(name: str, text: str, ends_at: datetime | None) -> Metric:
    family = GaugeMetricFamily(name, text)
    if ends_at is not None:
        family.add_metric([], ends_at.timestamp())
    return family
