"""Remove Sekisho's objects from a cluster, with the rights of its own controller."""

from config.loggers import get_logger
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiForbidden, ApiNotFound, ApiUnreachable, ClusterApiError
from management.kubernetes.manifests import (
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

_LOG = get_logger(__name__)

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


async def uninstall(client: ClusterClient) -> list[str]:
    """Delete the objects that Sekisho manages. Return the titles of those that existed.

    The impersonator loses its rights first, the controller last. The controller can't delete both
    its binding and its role (each is needed to delete the other). The cluster's garbage collection
    deletes them with the namespace that owns them. A label that the cluster does not let Sekisho
    remove remains; it grants nothing.

    Raises:
        ClusterApiError: the cluster rejects a deletion or does not respond.
    """
    deleted = []
    for kind in _KINDS:
        found = await _managed_objects(client, kind)
        deleted += [title(one) for one in found if await client.delete(path_of(one))]
    await _remove_labels(client)
    namespace: Manifest = {"kind": "Namespace", "metadata": {"name": NAMESPACE}}
    if await client.delete(path_of(namespace)):
        deleted.append(title(namespace))
    return deleted


async def _managed_objects(client: ClusterClient, kind: str) -> list[Manifest]:
    """Return the managed objects of a kind, the impersonator's first, without the controller's."""
    try:
        items, _ = await client.list_all(collection_path(kind), SELECTOR)
    except (ApiNotFound, ApiForbidden) as exc:
        # An older import without rights on a kind can't have created objects of it.
        if isinstance(exc, ApiForbidden) and exc.status != 403:
            raise
        return []
    found: list[Manifest] = [{**item, "kind": kind} for item in items]
    found.sort(key=lambda one: one["metadata"]["name"] != IMPERSONATOR)
    return [
        one
        for one in found
        if one["metadata"]["name"] != CONTROLLER and one["metadata"].get("namespace") != NAMESPACE
    ]


async def _remove_labels(client: ClusterClient) -> None:
    """Remove the project labels of all namespaces."""
    items, _ = await client.list_all(collection_path("Namespace"), PROJECT_LABEL)
    for item in items:
        change = {"metadata": {"labels": {PROJECT_LABEL: None, SHARED_LABEL: None}}}
        name = item["metadata"]["name"]
        try:
            await client.patch(f"{collection_path('Namespace')}/{name}", change)
        except ClusterApiError as exc:
            # A namespace that can't be changed does not prevent the removal.
            _LOG.warning("label of a namespace left behind", namespace=name, error=str(exc))
            if isinstance(exc, ApiUnreachable):
                # Raises if the cluster, and not only a webhook, does not respond.
                await client.get("/version")
