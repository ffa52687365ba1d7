"""Taking Sekisho out of a cluster, with nothing but its own controller's rights."""

from management.downstream.client import ClusterClient
from management.downstream.grants import every_binding, unbind
from management.downstream.objects import (
    CONTROLLER,
    IMPERSONATOR,
    NAMESPACE,
    Manifest,
    collection_path,
    title,
)


async def take_out(client: ClusterClient) -> list[str]:
    """Delete what is ours; the titles of what was there. Raises DownstreamError.

    The impersonator loses its rights first, the controller last. It can't delete both its binding
    and its role (each is needed to delete the other), so these go with the namespace that owns
    them, as soon as the cluster collects its garbage.
    """
    unwanted = [one for one in await every_binding(client) if one["metadata"]["name"] != CONTROLLER]
    unwanted.sort(key=lambda one: one["metadata"]["name"] != IMPERSONATOR)
    await unbind(client, unwanted)
    deleted = [title(one) for one in unwanted]
    for kind, name in (("ClusterRole", IMPERSONATOR), ("Namespace", NAMESPACE)):
        if await client.delete(f"{collection_path(kind)}/{name}"):
            gone: Manifest = {"kind": kind, "metadata": {"name": name}}
            deleted.append(title(gone))
    return deleted
