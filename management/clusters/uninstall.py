"""Taking Sekisho out of a cluster, with nothing but its own controller's rights."""

from management.downstream.client import ClusterClient
from management.downstream.errors import Missing, Refused
from management.downstream.objects import (
    CONTROLLER,
    IMPERSONATOR,
    NAMESPACE,
    PROJECT_LABEL,
    SELECTOR,
    SHARED_LABEL,
    Manifest,
    collection_path,
    path_of,
    title,
)

_KINDS = (
    "ClusterRoleBinding",
    "RoleBinding",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ClusterRole",
)


async def take_out(client: ClusterClient) -> list[str]:
    """Delete what is ours; the titles of what was there. Raises DownstreamError.

    The impersonator loses its rights first, the controller last. It can't delete both its binding
    and its role (each is needed to delete the other), so these go with the namespace that owns
    them, as soon as the cluster collects its garbage.
    """
    deleted = []
    for kind in _KINDS:
        ours = await _ours(client, kind)
        deleted += [title(one) for one in ours if await client.delete(path_of(one))]
    await _forget_labels(client)
    namespace: Manifest = {"kind": "Namespace", "metadata": {"name": NAMESPACE}}
    if await client.delete(path_of(namespace)):
        deleted.append(title(namespace))
    return deleted


async def _ours(client: ClusterClient, kind: str) -> list[Manifest]:
    """What is ours of a kind, the impersonator's first, and not what the controller works by."""
    try:
        items, _ = await client.list_all(collection_path(kind), SELECTOR)
    except (Missing, Refused) as exc:
        # What an older import's rights don't reach it can't have made.
        if isinstance(exc, Refused) and exc.status != 403:
            raise
        return []
    found: list[Manifest] = [{**item, "kind": kind} for item in items]
    found.sort(key=lambda one: one["metadata"]["name"] != IMPERSONATOR)
    return [
        one
        for one in found
        if one["metadata"]["name"] != CONTROLLER and one["metadata"].get("namespace") != NAMESPACE
    ]


async def _forget_labels(client: ClusterClient) -> None:
    """Namespaces aren't ours, but what they say of projects is."""
    items, _ = await client.list_all(collection_path("Namespace"), PROJECT_LABEL)
    for item in items:
        change = {"metadata": {"labels": {PROJECT_LABEL: None, SHARED_LABEL: None}}}
        await client.patch(f"{collection_path('Namespace')}/{item['metadata']['name']}", change)
