"""A change of how a cluster is reached: directly, or by its agent."""

from dataclasses import replace

from management.api.cluster_connection import ClusterConnection, changed_connection
from management.api.services import Services
from management.clusters.reach_change import forget_agent, reach_by_agent
from management.clusters.service import ClusterService
from management.errors import InvalidRequest
from store.records import Cluster, Reach


async def changed_reach(
    services: Services, cluster: Cluster, reach: Reach, connection: ClusterConnection
) -> Cluster:
    """Verify a cluster on its new way and store it with its other changes. Return the record.

    Raises:
        InvalidRequest: a new address has no credential, or another cluster responds.
        ClusterOperationFailed: the cluster cannot be reached on that way.
        StaleRevision: the cluster was changed at the same time.
    """
    if cluster.is_pending:
        raise InvalidRequest("the cluster's registration is not complete: apply its manifest first")
    if reach == "agent":
        return await _to_agent(services, cluster, connection)
    return await _to_direct(services, cluster, connection)


async def _to_agent(services: Services, cluster: Cluster, connection: ClusterConnection) -> Cluster:
    store = services.store
    through = store.clusters.through_agent(cluster)
    to = await changed_connection(through, connection, services.cluster_addresses)
    if to is not None:  # For an API server with another CA inside the cluster.
        return await ClusterService(store).move(through, *to)
    return await reach_by_agent(store, cluster)


async def _to_direct(
    services: Services, cluster: Cluster, connection: ClusterConnection
) -> Cluster:
    direct = replace(cluster, reach="direct", dialer=None)
    same_servers = connection.servers is None or tuple(connection.servers) == cluster.servers
    to = await changed_connection(direct, connection, services.cluster_addresses)
    if to is None or (same_servers and connection.kubeconfig is None):
        raise InvalidRequest(
            "reach: direct needs the API servers as Sekisho reaches them, with an administrator's "
            "credential: send servers and token, or kubeconfig"
        )
    changed = await ClusterService(services.store).move(direct, *to)
    await forget_agent(services.store, changed)
    return changed
