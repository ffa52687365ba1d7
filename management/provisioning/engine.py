"""The engine's API (Cluster API, v1beta2), and from an order to its Cluster. Pure.

A Cluster is written by server-side apply with the fields that Sekisho manages and nothing else, so
that other managers keep theirs. It has no finalizer and no ownerReference of Sekisho's: users who
may delete it in the management cluster can, without Sekisho.
"""

from typing import Any, Final
from urllib.parse import quote

from management.errors import ManagementError
from management.kubernetes.manifests import CLUSTER_LABEL, LABELS, Manifest
from store.order_records import Order, Pool

GROUP: Final = "cluster.x-k8s.io"
VERSION: Final = "v1beta2"

CLUSTERS: Final = "clusters"
CLASSES: Final = "clusterclasses"
DEPLOYMENTS: Final = "machinedeployments"
POOLS: Final = "machinepools"
MACHINES: Final = "machines"

REVISION: Final = "sekisho.io/order-revision"
"""Annotation with the order's revision that the Cluster has. It tells any replica what is written
already."""

CLUSTER_NAME: Final = "cluster.x-k8s.io/cluster-name"
"""The engine's label of what belongs to a Cluster."""

ENGINE_TYPE: Final = "cluster.x-k8s.io/secret"
"""The type of the Secrets that the engine writes for a Cluster."""

SUFFIX: Final = "-kubeconfig"
"""The engine names the Secret with an administrator's kubeconfig after the Cluster, with this."""

UNREADABLE: Final = (
    "The order's stored variables cannot be decrypted, and nothing is sent to the engine: an "
    "administrator must put the encryption key back."
)


def engine_path(resource: str, namespace: str, name: str | None = None) -> str:
    """Return the API path of a collection of the engine, or of one object in it."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace, safe='')}/{resource}"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def kubeconfig_path(namespace: str, engine_name: str) -> str:
    """Return the API path of the Secret with the kubeconfig of a Cluster."""
    name = quote(engine_name + SUFFIX, safe="")
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{name}"


class UnreadableOrder(ManagementError):
    """The stored variables of an order cannot be decrypted."""


def manifest_of(order: Order, namespace: str) -> Manifest:
    """Return the Cluster of an order, for server-side apply.

    Once the Cluster exists, the manifest has its uid: another Cluster of that name is not changed.

    Raises:
        UnreadableOrder: the variables cannot be decrypted. Without them, it would be another order.
    """
    if order.unreadable:
        raise UnreadableOrder(UNREADABLE)
    metadata: dict[str, Any] = {
        "name": order.engine_name,
        "namespace": namespace,
        "labels": {**LABELS, CLUSTER_LABEL: order.id},
        "annotations": {REVISION: str(order.revision)},
    }
    if order.engine_uid is not None:
        metadata["uid"] = order.engine_uid
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Cluster",
        "metadata": metadata,
        "spec": {"topology": _topology(order)},
    }


def _topology(order: Order) -> dict[str, Any]:
    wanted = order.wanted
    topology: dict[str, Any] = {
        "classRef": {"name": wanted.class_name},
        "version": wanted.version,
    }
    if wanted.control_plane_replicas is not None:
        topology["controlPlane"] = {"replicas": wanted.control_plane_replicas}
    workers = {
        field: [_pool(one) for one in wanted.pools if one.kind == kind]
        for field, kind in (("machineDeployments", "deployment"), ("machinePools", "machinepool"))
    }
    if any(workers.values()):
        topology["workers"] = {field: pools for field, pools in workers.items() if pools}
    if wanted.variables:
        topology["variables"] = [
            {"name": name, "value": value} for name, value in sorted(wanted.variables.items())
        ]
    return topology


def _pool(pool: Pool) -> dict[str, Any]:
    return {"class": pool.worker_class, "name": pool.name, "replicas": pool.replicas}
