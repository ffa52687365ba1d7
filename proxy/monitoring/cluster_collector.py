"""Metrics of what the controllers observe in the clusters that this replica leads.

Each cluster adds a fixed number of series: a cluster chooses the names and the number of its nodes
and namespaces, so these are no labels.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from management.clusters.ending_credentials import expirations
from management.controllers.cluster_controllers import ManagedCluster
from management.kubernetes.quantity import parse_quantity
from management.kubernetes.serving_certificates import Validity


def cluster_metrics(clusters: Iterable[ManagedCluster]) -> Iterator[Metric]:
    """Yield the metrics of clusters whose leases this replica holds."""
    families = _families()
    for managed in clusters:
        is_readable = not managed.cluster.unreadable
        families["conditions"].add_metric(
            [managed.cluster.name, "CredentialReadable"], float(is_readable)
        )
        data = managed.observer.latest if managed.observer is not None else None
        if data is not None:
            for name, labels, value in _samples(managed, data):
                families[name].add_metric([managed.cluster.name, *labels], value)
    yield from families.values()


def _families() -> dict[str, GaugeMetricFamily]:
    """Return the empty metrics by a short name."""
    cluster = ["cluster"]
    return {
        "info": GaugeMetricFamily(
            "sekisho_cluster_info", "Always 1.", labels=[*cluster, "version"]
        ),
        "nodes": GaugeMetricFamily(
            "sekisho_cluster_nodes", "Nodes of a cluster.", labels=[*cluster, "ready"]
        ),
        "warnings": GaugeMetricFamily(
            "sekisho_cluster_warnings",
            "Warnings among the newest events of a cluster, each as often as it happened.",
            labels=cluster,
        ),
        "used cpu": GaugeMetricFamily(
            "sekisho_cluster_used_cpu_cores", "CPU cores that all nodes use.", labels=cluster
        ),
        "used memory": GaugeMetricFamily(
            "sekisho_cluster_used_memory_bytes", "Memory that all nodes use.", labels=cluster
        ),
        "allocatable cpu": GaugeMetricFamily(
            "sekisho_cluster_allocatable_cpu_cores", "CPU cores for pods.", labels=cluster
        ),
        "allocatable memory": GaugeMetricFamily(
            "sekisho_cluster_allocatable_memory_bytes", "Memory for pods.", labels=cluster
        ),
        "deprecated": GaugeMetricFamily(
            "sekisho_cluster_deprecated_apis",
            "Deprecated APIs that clients of a cluster used within a day.",
            labels=[*cluster, "removed_next"],
        ),
        "ends": GaugeMetricFamily(
            "sekisho_cluster_credential_expiry_timestamp_seconds",
            "When a certificate or token of a cluster ends, in Unix time.",
            labels=[*cluster, "kind"],
        ),
        "renewals": GaugeMetricFamily(
            "sekisho_cluster_credential_renewal_timestamp_seconds",
            "When Sekisho renews a token of a cluster by itself, in Unix time.",
            labels=[*cluster, "kind"],
        ),
        "conditions": GaugeMetricFamily(
            "sekisho_cluster_condition",
            "Whether a condition of a cluster holds (1) or not (0).",
            labels=[*cluster, "condition"],
        ),
        "held": GaugeMetricFamily(
            "sekisho_cluster_held",
            "Whether Sekisho changes nothing in a cluster (1), because its database was restored.",
            labels=cluster,
        ),
        "reports": GaugeMetricFamily(
            "sekisho_cluster_report_up",
            "Whether Sekisho could read a part of a cluster's state (1) or not (0).",
            labels=[*cluster, "report"],
        ),
    }


def _samples(
    managed: ManagedCluster, data: Mapping[str, Any]
) -> Iterator[tuple[str, list[str], float]]:
    """Yield the samples of one cluster: short name, further labels, and value."""
    yield "info", [str(data["version"] or "")], 1.0
    yield "held", [], float(managed.cluster.held_since is not None)
    nodes = data["nodes"]
    if nodes is not None:
        yield "nodes", ["true"], nodes["ready"]
        yield "nodes", ["false"], nodes["total"] - nodes["ready"]
        yield from _amounts("allocatable", nodes["allocatable"])
    if data["usage"] is not None:
        yield from _amounts("used", data["usage"])
    if data["warnings"] is not None:
        yield "warnings", [], data["warnings"]["total"]
    apis = data["deprecated_apis"]
    if apis is not None:
        yield "deprecated", ["true"], apis["removed_next"]
        yield "deprecated", ["false"], apis["total"] - apis["removed_next"]
    for one in expirations(managed.cluster, Validity.read(data["certificate"]), ()):
        if one.ends_at is not None:
            yield "ends", [one.kind], one.ends_at.timestamp()
        if one.renews_at is not None:
            yield "renewals", [one.kind], one.renews_at.timestamp()
    for condition in data["conditions"]:
        yield "conditions", [condition["type"]], float(condition["status"] == "True")
    for condition in data["reports"]:
        yield "reports", [condition["type"]], float(condition["status"] == "True")


def _amounts(kind: str, amounts: Mapping[str, str]) -> Iterator[tuple[str, list[str], float]]:
    for resource in ("cpu", "memory"):
        if resource in amounts:
            yield f"{kind} {resource}", [], float(parse_quantity(amounts[resource]))
