"""Orders, and the engine's objects as Cluster API v1beta2 sends them."""

from datetime import UTC, datetime
from typing import Any

from management.kubernetes.manifests import CLUSTER_LABEL
from store.order_records import Order, Pool, WantedCluster

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
WHEN = "2026-05-04T11:00:00Z"
UID = "6f8b0a3e-0000-4000-8000-000000000001"
ORDER_ID = "c-abcdefghij"


def an_order(**fields: Any) -> Order:
    """Return an order of a cluster with two workers."""
    wanted = WantedCluster(
        class_name="standin",
        version="v1.36.3",
        control_plane_replicas=1,
        pools=(Pool("workers", "default", 2),),
        variables={"region": "eu"},
    )
    known: dict[str, Any] = {
        "id": ORDER_ID,
        "name": "three",
        "management_id": "c-managemen2",
        "engine_name": "three",
        "wanted": wanted,
        "owner_id": "u-alice",
        "user_name": "alice",
        "created_at": NOW,
        "state_since": NOW,
    }
    return Order(**{**known, **fields})


def a_cluster(
    *, conditions: dict[str, tuple[str, str, str]] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a Cluster. ``conditions``: status, reason and message by type."""
    status = {
        "phase": "Provisioning",
        "observedGeneration": 1,
        "conditions": [
            {
                "type": kind,
                "status": one,
                "reason": why,
                "message": said,
                "lastTransitionTime": WHEN,
            }
            for kind, (one, why, said) in (conditions or {}).items()
        ],
        **changes.pop("status", {}),
    }
    spec = {
        "topology": {"classRef": {"name": "standin"}, "version": "v1.36.3"},
        **changes.pop("spec", {}),
    }
    metadata = {
        "name": "three",
        "namespace": "sekisho-clusters",
        "uid": UID,
        "generation": 1,
        "labels": {CLUSTER_LABEL: ORDER_ID},
        **changes.pop("metadata", {}),
    }
    return {"metadata": metadata, "spec": spec, "status": status, **changes}


def a_machine(name: str, *, pool: str | None = "workers", **changes: Any) -> dict[str, Any]:
    """Return a running Machine of the cluster; of the control plane without ``pool``."""
    labels = {"topology.cluster.x-k8s.io/deployment-name": pool} if pool else {}
    if pool is None:
        labels["cluster.x-k8s.io/control-plane"] = ""
    return {
        "metadata": {"name": name, "labels": labels, **changes.pop("metadata", {})},
        "spec": {"clusterName": "three", "version": "v1.36.3", **changes.pop("spec", {})},
        "status": {
            "phase": "Running",
            "nodeInfo": {"kubeletVersion": "v1.36.3"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}],
            **changes.pop("status", {}),
        },
    }


def a_pool(wanted: int, ready: int, **changes: Any) -> dict[str, Any]:
    """Return a MachineDeployment of the cluster."""
    return {
        "metadata": {
            "name": "three-workers-x7k",
            "labels": {"topology.cluster.x-k8s.io/deployment-name": "workers"},
        },
        "spec": {"clusterName": "three", "replicas": wanted},
        "status": {"replicas": ready, "readyReplicas": ready},
        **changes,
    }
