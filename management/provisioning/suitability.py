"""Whether a cluster can become a management cluster: what it serves, and the namespace."""

from management.errors import InvalidRequest, ManagementError
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiNotFound
from management.kubernetes.manifests import PROJECT_LABEL, collection_path
from management.kubernetes.validation import mapping, text
from management.provisioning.engine import GROUP, VERSION
from management.provisioning.guard import POLICY


class UnsuitableCluster(ManagementError):
    """The cluster cannot become a management cluster as it is. The message has the remedy."""


async def require_engine(client: ClusterClient) -> None:
    """Raise UnsuitableCluster unless the versions that Sekisho uses are served."""
    try:
        found = await client.get(f"/apis/{GROUP}")
    except ApiNotFound:
        raise UnsuitableCluster(
            "the cluster has no Cluster API: install it and a provider with `clusterctl init` "
            "(see docs/management-clusters.md)"
        ) from None
    served = _versions(found)
    if VERSION not in served:
        raise UnsuitableCluster(
            f"Cluster API there serves {', '.join(served) or 'no version'}, and Sekisho needs "
            f"{GROUP}/{VERSION}: upgrade it to v1.11 or newer with `clusterctl upgrade apply`"
        )
    try:
        await client.get(collection_path(POLICY), {"limit": "1"})
    except ApiNotFound:
        raise UnsuitableCluster(
            "the cluster has no admission policies, with which Sekisho's account is limited to its "
            "own Clusters: they need Kubernetes 1.30 or newer"
        ) from None


def _versions(group: dict[str, object]) -> list[str]:
    found = group.get("versions")
    each = (
        [text(mapping(one).get("version"), 63) for one in found] if isinstance(found, list) else []
    )
    return [one for one in each if one]


async def require_namespace(client: ClusterClient, namespace: str) -> None:
    """Raise unless the namespace exists and belongs to no project.

    A project's members may read the Secrets in its namespaces, and the engine puts administrators'
    kubeconfigs of the created clusters there.
    """
    found = await client.find(f"{collection_path('Namespace')}/{namespace}")
    if found is None:
        raise InvalidRequest(
            f'namespace: "{namespace}" does not exist in the cluster: create it, with the classes '
            "and the providers' credentials in it"
        )
    if mapping(found["metadata"].get("labels") or {}).get(PROJECT_LABEL):
        raise UnsuitableCluster(
            f'the namespace "{namespace}" belongs to a project, whose members could read the '
            "kubeconfigs of all clusters that are created: take it out of the project, or use "
            "another one"
        )
