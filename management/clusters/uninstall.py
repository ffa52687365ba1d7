"""Remove Sekisho's objects from a cluster, with the rights of its own controller."""

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass

from config.loggers import get_logger
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiForbidden, ApiNotFound, ApiUnreachable, ClusterApiError
from management.kubernetes.manifests import (
    CLUSTER_LABEL,
    CONTROLLER,
    IMPERSONATOR,
    NAMESPACE,
    ORDER_PREFIX,
    OWNER,
    PROJECT_LABEL,
    PROVISIONER,
    PROVISIONER_CLAIM,
    SELECTOR,
    SHARED_LABEL,
    Manifest,
    collection_path,
    path_of,
    title,
)

_LOG = get_logger(__name__)

SHOWN_NAMES = 5
"""Names in the cluster that a sentence repeats."""

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


@dataclass(frozen=True, slots=True)
class Uninstalled:
    """The titles of the objects that were deleted.

    ``others`` are other records of the cluster, with objects in it: those of another Sekisho that
    uses the cluster too, or of an earlier registration. If there are any, their objects remain, and
    so do the accounts, roles, and policies that every Sekisho in a cluster uses. ``labelled`` are
    namespaces whose labels the cluster did not let Sekisho remove. ``untouched``: nothing was
    deleted, because the cluster was not asked.
    """

    deleted: tuple[str, ...]
    others: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    untouched: bool = False

    @property
    def left(self) -> tuple[str, ...]:
        """Return what is left in the cluster, as sentences for the user who removed it."""
        found = []
        if self.untouched:
            found.append(
                "Sekisho's objects are left in the cluster. If it still exists and no other "
                f"Sekisho uses it, delete the namespace {NAMESPACE}, and what has the label "
                f"{CLUSTER_LABEL}."
            )
        if self.others:
            found.append(
                f"Another Sekisho has objects in the cluster ({CLUSTER_LABEL}="
                f"{_some(self.others)}): they are left, with the accounts that both use. If none "
                f"does, delete the namespace {NAMESPACE}, and what has that label."
            )
        if self.labelled:
            found.append(
                f"The cluster did not let Sekisho remove the label {PROJECT_LABEL} of namespaces "
                f"({_some(self.labelled)}). It grants nothing."
            )
        return tuple(found)


async def uninstall(
    client: ClusterClient, cluster_id: str, projects: Collection[str] = ()
) -> Uninstalled:
    """Delete the objects that Sekisho manages in a cluster. ``projects`` are the cluster's ids.

    The impersonator loses its rights first, the controller last. The controller can't delete both
    its binding and its role (each is needed to delete the other). The cluster's garbage collection
    deletes them with the namespace that owns them. A label that the cluster does not let Sekisho
    remove remains; it grants nothing.

    Raises:
        ClusterApiError: the cluster rejects a deletion or does not respond.
    """
    managed = [one for kind in _KINDS for one in await _managed_objects(client, kind)]
    others = {_record(one) for one in managed} - {"", cluster_id}
    if others:
        accounts = await _managed_objects(client, "ServiceAccount", NAMESPACE)
        orders = any(
            _record(one) == cluster_id and one["metadata"]["name"] == PROVISIONER_CLAIM
            for one in managed
        )
        managed = [
            one
            for one in (*managed, *accounts)
            if _record(one) == cluster_id or (orders and _is_for_orders(one))
        ]
    deleted = [title(one) for one in managed if await client.delete(path_of(one))]
    labelled = await _remove_labels(client, set(projects) if others else None)
    namespace: Manifest = {"kind": "Namespace", "metadata": {"name": NAMESPACE}}
    if not others and await client.delete(path_of(namespace)):
        deleted.append(title(namespace))
    return Uninstalled(tuple(deleted), tuple(sorted(others)), tuple(labelled))


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many there are besides."""
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f", and {more} more" if more > 0 else "")


def _record(manifest: Manifest) -> str:
    """Return the id of the record of the cluster for which an object was made, if it has one.

    The claim of a management cluster names its owner's.
    """
    metadata = manifest["metadata"]
    if metadata["name"] == PROVISIONER_CLAIM:
        return str((metadata.get("annotations") or {}).get(OWNER) or "")
    return str((metadata.get("labels") or {}).get(CLUSTER_LABEL) or "")


def _is_for_orders(manifest: Manifest) -> bool:
    """Return whether an object belongs to the account for orders, or is that account."""
    return str(manifest["metadata"]["name"]).startswith((PROVISIONER, ORDER_PREFIX))


async def _managed_objects(
    client: ClusterClient, kind: str, namespace: str | None = None
) -> list[Manifest]:
    """Return the managed objects of a kind, the impersonator's first, without the controller's.

    Those of ``sekisho-system`` are left out, unless ``namespace`` is that.
    """
    try:
        items, _ = await client.list_all(collection_path(kind, namespace), SELECTOR)
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
        if one["metadata"]["name"] != CONTROLLER
        and (one["metadata"].get("namespace") == NAMESPACE) == (namespace == NAMESPACE)
    ]


async def _remove_labels(client: ClusterClient, projects: Set[str] | None) -> list[str]:
    """Remove the project labels of all namespaces, or of those of the projects.

    Returns the names of the namespaces that keep their labels.
    """
    kept = []
    items, _ = await client.list_all(collection_path("Namespace"), PROJECT_LABEL)
    for item in items:
        if projects is not None and item["metadata"]["labels"][PROJECT_LABEL] not in projects:
            continue
        change = {"metadata": {"labels": {PROJECT_LABEL: None, SHARED_LABEL: None}}}
        name = item["metadata"]["name"]
        try:
            await client.patch(f"{collection_path('Namespace')}/{name}", change)
        except ClusterApiError as exc:
            # A namespace that can't be changed does not prevent the removal.
            _LOG.warning("label of a namespace left behind", namespace=name, error=str(exc))
            kept.append(str(name))
            if isinstance(exc, ApiUnreachable):
                # Raises if the cluster, and not only a webhook, does not respond.
                await client.get("/version")
    return kept
