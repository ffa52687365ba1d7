"""Give and take the right to read the kubeconfig of one order, in its management cluster."""

from management.desired_state.apply import sekisho_namespace_uid, with_owner_reference
from management.kubernetes.client import ClusterClient
from management.kubernetes.manifests import path_of
from management.provisioning.rights import order_rights


async def grant_kubeconfig(
    client: ClusterClient, order_id: str, engine_name: str, namespace: str
) -> None:
    """Let the account read the kubeconfig of one order. ``client`` is the controller's.

    Raises:
        ClusterApiError: the cluster rejected a change or does not respond.
    """
    uid = await sekisho_namespace_uid(client)
    for one in order_rights(order_id, engine_name, namespace):
        manifest = with_owner_reference(one, uid)
        await client.apply(path_of(manifest), manifest)


async def revoke_kubeconfig(client: ClusterClient, order_id: str, namespace: str) -> None:
    """Take the right of :func:`grant_kubeconfig` away. ``client`` is the controller's.

    Raises:
        ClusterApiError: the cluster rejected a deletion or does not respond.
    """
    for one in reversed(order_rights(order_id, "", namespace)):
        await client.delete(path_of(one))
