"""Which clusters and projects a caller's token reaches.

The gate decides about each request. This names, in lists and selections, what a token that is
limited to clusters or projects is for, and leaves out all else.
"""

from typing import Any

from management.api.authentication import Caller
from store.interfaces import Store
from store.records import Cluster


def reaches(caller: Caller, cluster_id: str) -> bool:
    """Return whether the caller's token is for something in a cluster."""
    authenticated = caller.authenticated
    token = authenticated.token
    if token.clusters and cluster_id not in token.clusters:
        return False
    return not token.projects or bool(authenticated.namespaces.get(cluster_id))


async def reach_of(store: Store, caller: Caller) -> dict[str, Any] | None:
    """Return the clusters and projects of the caller's token, by name; None if it has no limit.

    A token has at most 100 of each, and each is read by its id.
    """
    token = caller.authenticated.token
    if not (token.clusters or token.projects):
        return None
    projects = [one for id_ in token.projects if (one := await store.projects.get(id_))]
    ids = {*token.clusters, *(one.cluster_id for one in projects)}
    entered = [await _entered(store, caller, id_) for id_ in sorted(ids)]
    known = {one.id: one for one in entered if one is not None}
    return {
        "clusters": [
            {"id": one.id, "name": one.name}
            for one in sorted(known.values(), key=lambda one: one.name)
            if reaches(caller, one.id)
        ],
        "projects": [
            {
                "id": one.id,
                "name": one.name,
                "cluster": one.cluster_id,
                "cluster_name": known[one.cluster_id].name,
            }
            for one in projects
            if one.cluster_id in known
        ],
    }


async def _entered(store: Store, caller: Caller, cluster_id: str) -> Cluster | None:
    """Return a cluster if the caller may enter it."""
    return await store.clusters.get(cluster_id) if caller.access.can_enter(cluster_id) else None
