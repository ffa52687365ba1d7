"""The kinds of objects that a manifest may contain. Pure.

All are namespaced: workloads, and what belongs to them. Kinds that grant access or divide a cluster
are missing (roles, namespaces, quotas): Sekisho manages them by projects and members. Secrets are
missing, too: an API server repeats values of an invalid object in its messages, which the audit log
records.
"""

from collections.abc import Mapping

from management.workloads.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    STATEFUL_SET,
    WorkloadKind,
)

ORDERED_KINDS = (
    WorkloadKind("serviceaccount", "ServiceAccount", "v1", "serviceaccounts"),
    WorkloadKind("configmap", "ConfigMap", "v1", "configmaps"),
    WorkloadKind("persistentvolumeclaim", "PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    WorkloadKind("networkpolicy", "NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    WorkloadKind("poddisruptionbudget", "PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    WorkloadKind("service", "Service", "v1", "services"),
    POD,
    DAEMON_SET,
    DEPLOYMENT,
    STATEFUL_SET,
    JOB,
    CRON_JOB,
    WorkloadKind(
        *("horizontalpodautoscaler", "HorizontalPodAutoscaler"),
        *("autoscaling/v2", "horizontalpodautoscalers"),
    ),
    WorkloadKind("ingress", "Ingress", "networking.k8s.io/v1", "ingresses"),
)
"""In the order in which they are applied: what pods need comes before them."""

MANIFEST_KINDS: Mapping[str, WorkloadKind] = {one.kind: one for one in ORDERED_KINDS}
RANKS: Mapping[str, int] = {one.kind: rank for rank, one in enumerate(ORDERED_KINDS)}
