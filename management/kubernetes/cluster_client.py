"""From a stored cluster to what is needed to talk to it."""

from datetime import UTC, datetime

from management.cluster_errors import BadRequest, NoSuchCluster
from management.downstream.client import ClusterClient
from management.downstream.endpoint import Credential, Endpoint
from store.interfaces import Cluster, Store


def endpoint_of(cluster: Cluster) -> Endpoint:
    """Where a stored cluster is."""
    return Endpoint(cluster.servers, cluster.ca_pem, cluster.tls_server_name)


def controller_client(cluster: Cluster) -> ClusterClient:
    """A client with the controller's token. Raises BadRequest where there is none."""
    if cluster.controller_token is None:
        raise BadRequest(
            f'cluster "{cluster.name}" was added without a controller token, so Sekisho can\'t '
            "change anything in it"
        )
    return ClusterClient(endpoint_of(cluster), Credential(token=cluster.controller_token))


async def find_cluster(store: Store, id_or_name: str) -> Cluster:
    """The cluster with that id or name. Raises NoSuchCluster."""
    cluster = await store.clusters.get(id_or_name)
    if cluster is None:
        raise NoSuchCluster(f'there is no cluster "{id_or_name}"; see `sekisho cluster list`')
    return cluster


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)
