"""Import a cluster that the engine made, by the kubeconfig that the engine wrote.

The kubeconfig is read from its Secret for each use and dropped afterwards: it belongs to an
administrator, some expire after minutes, and Cluster API's contract does not let it be shared. An
import can be repeated at any time. A repetition finds the record by the order's id, and gives
Sekisho's accounts new tokens.
"""

import asyncio
import base64
from dataclasses import dataclass, replace

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from config.loggers import get_logger
from management.clusters.kubeconfig_import import KubeconfigAccess, from_kubeconfig_text
from management.clusters.members import MemberService
from management.clusters.ownership import ownership_of
from management.clusters.service import ClusterService
from management.errors import ClusterOperationFailed, InvalidRequest
from management.kubernetes.client import POLL_SECONDS, ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterEndpoint
from management.kubernetes.errors import ApiForbidden, ApiNotFound
from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import mapping
from management.provisioning.agent_install import AgentInstaller
from management.provisioning.engine import CLUSTER_NAME, ENGINE_TYPE, SUFFIX, kubeconfig_path
from store.access_records import Binding
from store.interfaces import Store
from store.order_records import ManagementCluster, Order
from store.records import Cluster

MAX_KUBECONFIG = 256 * 1024
"""Bytes of a kubeconfig. Those that providers write have ten thousand."""

RIGHTS_SECONDS = 5.0
"""How long the right to read the Secret may take to become effective."""

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterImporter:
    """Imports the clusters of orders.

    ``addresses`` decides which addresses a kubeconfig may name. ``agents`` installs the agents of
    orders whose clusters are reached by them.
    """

    store: Store
    agents: AgentInstaller
    addresses: AddressPolicy = DEFAULT_POLICY

    async def run(self, client: ClusterClient, management: ManagementCluster, order: Order) -> None:
        """Import the cluster of an order, or renew what Sekisho has in it, and grant ownership.

        ``client`` is that of Sekisho's account in the management cluster.

        Raises:
            ManagementError: the cluster cannot be imported now.
            ClusterApiError: the management cluster does not respond.
        """
        access = await read_kubeconfig(client, management.namespace, order.engine_name)
        known = await self.store.clusters.get(order.id)
        owner = await self._owner(order)
        stored_with_it = owner if known is None else None
        if order.wanted.reach == "agent":
            cluster = await self.agents.run(order, known, access, stored_with_it)
        else:
            cluster = await self._import(order, known, access, stored_with_it)
        if owner is not None:  # The owner's rights in the cluster, now.
            await MemberService(self.store).grant(cluster.id, order.owner_id, "owner")

    async def _import(
        self,
        order: Order,
        known: Cluster | None,
        access: KubeconfigAccess,
        owner: Binding | None,
    ) -> Cluster:
        written = replace(access.endpoint, addresses=self.addresses)
        if known is None or not same_authority(known.ca_pem, written.ca_pem):
            return await self._import_at(order, known, written, access, owner)
        # An administrator may have given another address, at which Sekisho reaches the cluster.
        try:
            return await self._import_at(order, known, endpoint_of(known), access, None)
        except ClusterOperationFailed:
            if written.servers == known.servers:
                raise
        return await self._import_at(order, known, written, access, owner)

    async def _import_at(
        self,
        order: Order,
        known: Cluster | None,
        endpoint: ClusterEndpoint,
        access: KubeconfigAccess,
        owner: Binding | None,
    ) -> Cluster:
        imported = await ClusterService(self.store).import_cluster(
            known.name if known is not None else order.name,
            endpoint,
            access.credential,
            moved=known is not None,
            cluster_id=order.id,
            owner=owner,
        )
        assert imported.cluster is not None, "it is no dry run"
        return imported.cluster

    async def _owner(self, order: Order) -> Binding | None:
        """Return the orderer's ownership, once, if they may still sign in and need it."""
        if order.imported_at is not None:
            return None
        user = await self.store.users.get(order.owner_id)
        if user is None or not user.enabled:
            _LOG.warning("cluster without owner: its orderer is gone", cluster=order.name)
            return None
        return await ownership_of(self.store, order.id, user)


def same_authority(one: str | None, other: str | None) -> bool:
    """Return whether two CA bundles are the same, but for white space."""
    return (one or "").split() == (other or "").split()


async def read_kubeconfig(
    client: ClusterClient, namespace: str, engine_name: str
) -> KubeconfigAccess:
    """Return the access in the Secret of a Cluster. Programs and files that it names are refused.

    A user chooses the name of the Cluster, and so that of the Secret. One that the engine did not
    write for this Cluster belongs to others, and the orderer gets no access by it.

    Raises:
        ClusterOperationFailed: the Secret does not exist, or its kubeconfig cannot be used.
        ClusterApiError: the management cluster does not respond.
    """
    secret = await _secret(client, kubeconfig_path(namespace, engine_name))
    labels = mapping(mapping(secret.get("metadata")).get("labels"))
    if labels.get(CLUSTER_NAME) != engine_name or secret.get("type") != ENGINE_TYPE:
        raise ClusterOperationFailed(
            f"The Secret {engine_name}{SUFFIX} in the management cluster is not that of the "
            f"Cluster {engine_name}: it needs the type {ENGINE_TYPE} and the label "
            f"{CLUSTER_NAME}={engine_name}, which the engine writes."
        )
    encoded = mapping(secret.get("data")).get("value")
    try:
        if not isinstance(encoded, str) or len(encoded) > MAX_KUBECONFIG:
            raise ValueError("no kubeconfig, or one that is too large")
        text = base64.b64decode(encoded, validate=True).decode()
        # In a thread: parsing even a bounded document would block other requests for too long.
        return await asyncio.to_thread(from_kubeconfig_text, text)
    except (ValueError, InvalidRequest) as exc:
        # A ValueError's text may quote what it could not read.
        reason = exc if isinstance(exc, InvalidRequest) else "it is not base64 of a kubeconfig"
        raise ClusterOperationFailed(f"The engine's kubeconfig can't be used: {reason}.") from exc


async def _secret(client: ClusterClient, path: str) -> Manifest:
    """Return a Secret as soon as Sekisho's account may read it."""
    deadline = asyncio.get_running_loop().time() + RIGHTS_SECONDS
    while True:
        try:
            return await client.get(path)
        except ApiNotFound:
            raise ClusterOperationFailed("The engine has not written a kubeconfig yet.") from None
        except ApiForbidden as exc:
            if exc.status != 403 or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)
