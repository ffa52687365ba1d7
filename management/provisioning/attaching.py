"""Attach an order to its Cluster where that is now, after a move or a restored backup.

``clusterctl move`` makes the Cluster again in another management cluster, and a restored backup
makes it again with another uid. The machines are the same, and so are the cluster's record, its
members, and its projects: only where the order looks for its Cluster changes.
"""

import asyncio
from dataclasses import replace

from config.loggers import get_logger
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.manifests import CLUSTER_LABEL
from management.provisioning.deletion import OrderEnding
from management.provisioning.observed import ObservedCluster
from management.provisioning.orders import find_cluster, no_cluster
from store.errors import Conflict
from store.interfaces import Store
from store.order_records import ManagementCluster, Order, OrderObservation

LEAVE_SECONDS = 5.0
"""How long the former management cluster may take. It may be gone for good."""

_LOG = get_logger(__name__)


async def attach(
    store: Store, order: Order, management: ManagementCluster, *, dry_run: bool = False
) -> Order:
    """Attach an order to its Cluster in ``management``, and return the order.

    Sizes, version, and variables stay as they are there. ``dry_run``: only check it.

    Raises:
        Conflict: the order has its Cluster still, or the one in ``management`` is not its own.
        EngineRefused: there is none. EngineAway: the management cluster does not respond.
        StaleRevision: the order was changed after it was read.
    """
    require_attachable(order, management)
    found = await find_cluster(store, management, order.engine_name)
    if found is None:
        raise no_cluster(order.engine_name, management)
    if reason := why_not_attached(order, found):
        raise Conflict(reason)
    changed = replace(order, management_id=management.cluster_id, engine_uid=found.uid)
    if dry_run or changed == order:
        return changed
    attached = await store.orders.attach(
        changed, revision=order.revision, announced=_announced(order)
    )
    if order.management_id != management.cluster_id:
        await _leave(store, order)
    return attached


def require_attachable(order: Order, management: ManagementCluster) -> None:
    """Raise Conflict if the order may have its Cluster still, in another management cluster."""
    if order.is_ending:
        raise Conflict(f"the order of {order.name} is being removed")
    is_elsewhere = order.management_id != management.cluster_id
    if is_elsewhere and order.state != "foreign" and order.engine_away_since is None:
        raise Conflict(
            f"the order has its Cluster in its present management cluster (state {order.state}): "
            "move the Cluster first, with `clusterctl move`"
        )


def why_not_attached(order: Order, found: ObservedCluster) -> str:
    """Return why an order cannot be attached to a Cluster; empty: it can.

    The label is kept by ``clusterctl move`` and by backups, and Sekisho's account cannot set it on
    a Cluster of others.
    """
    if not order.adopted and found.order_id != order.id:
        return (
            f'the Cluster "{found.name}" in the management cluster is not that of this order: it '
            f"lacks the label {CLUSTER_LABEL}={order.id}"
        )
    if found.deleting_since is not None:
        return f'the Cluster "{found.name}" in the management cluster is being deleted'
    return ""


def _announced(order: Order) -> OrderObservation:
    """Return what users see of the order until the Cluster was looked at."""
    return {
        "state": "accepted" if order.imported_at is None else "updating",
        "message": "The order is attached to its Cluster.",
        "slow": False,
    }


async def _leave(store: Store, order: Order) -> None:
    """Take back the right to read the kubeconfig in the former management cluster."""
    cluster = await store.clusters.get(order.management_id)
    former = await store.management_clusters.get(order.management_id)
    if cluster is None or former is None:
        return
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await OrderEnding(store, cluster, former).drop_rights(order)
    except (ClusterApiError, TimeoutError) as exc:
        # The Secret that it names is gone there, with the Cluster.
        _LOG.warning("right left in a management cluster", order=order.name, error=str(exc))
