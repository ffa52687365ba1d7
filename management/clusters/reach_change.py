"""Change how a stored cluster is reached. It keeps its id, its members and their kubeconfigs."""

from dataclasses import replace
from urllib.parse import urlsplit

from config.loggers import get_logger
from management.clusters.agent_registration import AGENT_SERVERS, verified_endpoint
from management.clusters.agent_tokens import revoke_agent_tokens
from management.clusters.cluster_identity import check_same
from management.clusters.operation_errors import cluster_operation
from management.clusters.verification import verify_impersonator
from management.errors import InvalidRequest
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client, endpoint_of
from management.kubernetes.errors import ApiForbidden, ClusterApiError
from management.kubernetes.manifests import AGENT, NAMESPACE, collection_path
from store.interfaces import Store
from store.records import Cluster

KINDS = (
    "Deployment",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Secret",
    "ServiceAccount",
    "Role",
    "RoleBinding",
)
"""The agent's objects, in the order of their removal: the controller's right to it last."""

_LOG = get_logger(__name__)


async def reach_by_agent(store: Store, cluster: Cluster) -> Cluster:
    """Verify a cluster through its agent's tunnel, and store that it is reached there.

    Sekisho sends its tokens through the tunnel only after the API server has shown a certificate of
    the stored CA, for the name that the API server has inside each cluster or had before.

    Raises:
        InvalidRequest: another cluster is behind the tunnel, or Sekisho has no controller token.
        ClusterOperationFailed: the agent or the cluster does not respond.
        StaleRevision: the cluster was changed at the same time.
    """
    if cluster.controller_token is None:
        raise InvalidRequest("Sekisho has no controller token for the cluster: import it again")
    through = store.clusters.through_agent(cluster)
    names = [None, *_known_names(cluster)]
    endpoint = replace(endpoint_of(through), servers=AGENT_SERVERS)
    async with cluster_operation():
        endpoint, uid = await verified_endpoint(endpoint, cluster.controller_token, names)
        check_same(cluster, uid)
        await verify_impersonator(endpoint, cluster.impersonator_token)
    changed = replace(
        through,
        servers=AGENT_SERVERS,
        tls_server_name=endpoint.tls_server_name,
        trusted_addresses=(),
        uid=uid,
    )
    await store.clusters.replace(changed, revision=cluster.revision)
    return changed


def _known_names(cluster: Cluster) -> list[str]:
    """Return the names that the API servers' certificates had when they were verified before."""
    if cluster.tls_server_name is not None:
        return [cluster.tls_server_name]
    hosts = [urlsplit(server).hostname for server in cluster.servers]
    return [host for host in hosts if host]


async def forget_agent(store: Store, cluster: Cluster) -> None:
    """Revoke the agent's tokens, and remove its objects from a cluster that is reached directly.

    A cluster that does not respond keeps the objects. Without a token, the agent can do nothing.
    """
    await revoke_agent_tokens(store, cluster.id)
    try:
        async with controller_client(cluster) as client:
            await remove_agent(client)
    except (ClusterApiError, InvalidRequest) as exc:
        _LOG.warning("agent not removed", cluster=cluster.name, error=str(exc))


async def remove_agent(client: ClusterClient) -> list[str]:
    """Delete the agent's objects. Return the kinds that existed. Raises ClusterApiError."""
    deleted = []
    for kind in KINDS:
        try:
            if await client.delete(f"{collection_path(kind, NAMESPACE)}/{AGENT}"):
                deleted.append(kind)
        except ApiForbidden as exc:
            # The cluster never had an agent, so the controller has no rights on its objects.
            if exc.status != 403:
                raise
    return deleted
