"""The bindings of grants, found by their labels.

A binding's role can't be changed, so each role has a binding of its own: a new role is bound before
the old one is unbound, and a user never goes without.
"""

from collections.abc import Iterable, Sequence

from management.downstream.client import ClusterClient
from management.downstream.objects import (
    GRANT_SELECTOR,
    MANAGED_BY,
    USER_LABEL,
    Manifest,
    collection_path,
    path_of,
)

_KIND = "ClusterRoleBinding"
_COLLECTION = collection_path(_KIND)


async def bindings(client: ClusterClient, user_id: str | None = None) -> Sequence[Manifest]:
    """Every binding that was made for a grant, or those for one user's."""
    selector = GRANT_SELECTOR if user_id is None else f"{GRANT_SELECTOR}={user_id}"
    return await _labelled(client, selector)


async def every_binding(client: ClusterClient) -> Sequence[Manifest]:
    """Every cluster-wide binding of ours, grants and all others."""
    return await _labelled(client, f"{MANAGED_BY}=sekisho,app.kubernetes.io/part-of=sekisho")


async def unbind(client: ClusterClient, unwanted: Iterable[Manifest]) -> int:
    """Delete bindings; how many there were."""
    return sum([await client.delete(path_of(one)) for one in unwanted])


def user_of(binding: Manifest) -> str:
    """The id of the user whose grant a binding is for."""
    return str(binding["metadata"]["labels"][USER_LABEL])


async def _labelled(client: ClusterClient, selector: str) -> Sequence[Manifest]:
    answer = await client.get(_COLLECTION, {"labelSelector": selector})
    # The items of a list don't say what they are.
    return [{**item, "kind": _KIND} for item in answer.get("items") or []]
