"""End orders: delete their Clusters, and forget what is gone.

An order is forgotten last, after its Cluster is gone, the cluster's record, and the right to read
its kubeconfig. So a deletion that stops anywhere is continued, and a cluster that may still cost
money stays in sight.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from management.clusters.service import ClusterService
from management.errors import ClusterNotFound, ManagementError
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.validation import MalformedObject
from management.provisioning.engine import CLUSTERS, engine_path
from management.provisioning.engine_errors import ForeignCluster
from management.provisioning.observed import ObservedCluster, observed_cluster
from management.provisioning.order_rights import grant_kubeconfig, revoke_kubeconfig
from management.provisioning.steps import owns
from store.errors import RecordNotFound, StaleRevision
from store.interfaces import Store
from store.order_records import ManagementCluster, Order
from store.records import Cluster

MALFORMED = (
    'The Cluster "{name}" in the management cluster has metadata that Sekisho does not accept, '
    "such as an annotation with a NUL character: it is not touched until that is repaired there."
)


@dataclass(frozen=True, slots=True)
class OrderEnding:
    """Ends the orders of one management cluster, whose record is ``cluster``."""

    store: Store
    cluster: Cluster
    management: ManagementCluster

    async def delete(self, client: ClusterClient, order: Order, seen: ObservedCluster) -> None:
        """Have the engine delete the Cluster that was seen, and no other.

        Raises ClusterApiError.
        """
        await self.shut_gate(order)
        path = engine_path(CLUSTERS, self.management.namespace, seen.name)
        await client.delete(path, seen.uid)

    async def shut_gate(self, order: Order) -> None:
        """Let no request into the cluster of an order that ends.

        The request for the deletion has done so, unless the cluster was imported at that moment.
        """
        while (known := await self.store.clusters.get(order.id)) is not None:
            if known.removing_since is not None:
                return
            shut = replace(known, removing_since=datetime.now(UTC))
            with suppress(StaleRevision, RecordNotFound):
                await self.store.clusters.replace(shut, revision=known.revision)

    async def forget(self, order: Order) -> bool:
        """Delete all that is stored about an order, and its right in the management cluster.

        Return False if the order was forgotten already, such as by another replica. Raises
        ClusterApiError while the management cluster does not respond.
        """
        with suppress(ClusterNotFound):  # It was never imported.
            await ClusterService(self.store).remove(order.id, keep_cluster_objects=True)
        await self.drop_rights(order)
        return await self.store.orders.delete(order.id)

    async def drop_rights(self, order: Order) -> None:
        """Delete the right to read the order's kubeconfig. Raises ClusterApiError."""
        async with controller_client(self.cluster) as controller:
            await revoke_kubeconfig(controller, order.id, self.management.namespace)

    async def grant_rights(self, order: Order) -> None:
        """Let Sekisho's account read the order's kubeconfig. Raises ClusterApiError."""
        async with controller_client(self.cluster) as controller:
            await grant_kubeconfig(
                controller, order.id, order.engine_name, self.management.namespace
            )

    async def responds(self, order: Order) -> bool:
        """Return whether the cluster of an order still responds to Sekisho."""
        known = await self.store.clusters.get(order.id)
        if known is None or known.is_pending:
            return False
        try:
            async with controller_client(known) as client:
                await client.get("/version")
        except (ClusterApiError, ManagementError):
            return False
        return True


async def live_cluster(
    client: ClusterClient, namespace: str, order: Order
) -> ObservedCluster | None:
    """Return the Cluster of an order from the API server, also one of another owner, or None.

    A list is read, not the object: it tells an absent object from an absent API.

    Raises:
        ForeignCluster: there is one that Sekisho cannot read. It is not absent: its machines cost
            money.
        ClusterApiError: the management cluster does not respond.
    """
    fields = f"metadata.name={order.engine_name}"
    async for page in client.pages(engine_path(CLUSTERS, namespace), fields=fields):
        try:
            found = [observed_cluster(one) for one in page.items]
        except MalformedObject:
            raise ForeignCluster(MALFORMED.format(name=order.engine_name)) from None
        if page.left_out:
            raise ForeignCluster(MALFORMED.format(name=order.engine_name))
        if found:
            return found[0]
    return None


async def own_live_cluster(
    client: ClusterClient, namespace: str, order: Order
) -> ObservedCluster | None:
    """Return the Cluster of an order if it is the order's. Raises as :func:`live_cluster` does."""
    found = await live_cluster(client, namespace, order)
    return found if found is not None and owns(order, found) else None
