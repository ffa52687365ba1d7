"""Make a client for a stored cluster."""

from config.dialing import NO_WAY, Dialer
from management.errors import InvalidRequest
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from store.records import Cluster


def endpoint_of(cluster: Cluster) -> ClusterEndpoint:
    """Return the endpoint of a stored cluster."""
    return ClusterEndpoint(
        cluster.servers,
        cluster.ca_pem,
        cluster.tls_server_name,
        cluster.addresses,
        dialer_of(cluster),
        cluster.held_since is not None,
    )


def dialer_of(cluster: Cluster) -> Dialer | None:
    """Return what connects to the cluster; None if Sekisho connects to its addresses itself.

    A cluster that is reached by its agent is never connected to directly: its servers' names mean
    something else outside the cluster.
    """
    return None if cluster.reach == "direct" else cluster.dialer or NO_WAY


def controller_client(cluster: Cluster) -> ClusterClient:
    """Return a client with the controller's token. Raises InvalidRequest if it is missing."""
    if cluster.unreadable:
        raise InvalidRequest(unreadable(cluster))
    if cluster.is_pending:
        raise InvalidRequest(
            f'the registration of cluster "{cluster.name}" is not complete: apply its manifest'
        )
    if cluster.controller_token is None:
        raise InvalidRequest(
            f'cluster "{cluster.name}" was added without a controller token, so Sekisho can\'t '
            "change anything in it"
        )
    return ClusterClient(endpoint_of(cluster), ClusterCredential(token=cluster.controller_token))


def unreadable(cluster: Cluster) -> str:
    """Return the message for a cluster whose stored credential cannot be decrypted."""
    return (
        f'the stored credential of cluster "{cluster.name}" can\'t be opened '
        f"({cluster.unreadable}); put its encryption key back, or import the cluster again"
    )
