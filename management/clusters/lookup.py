"""Find a stored cluster by its id or name."""

from management.errors import ClusterNotFound
from store.interfaces import Store
from store.records import Cluster


async def find_cluster(store: Store, id_or_name: str) -> Cluster:
    """Return the cluster with that id or name. Raises ClusterNotFound."""
    cluster = await store.clusters.get(id_or_name)
    if cluster is None:
        raise ClusterNotFound(f'no cluster "{id_or_name}"; see `sekisho admin cluster list`')
    return cluster
