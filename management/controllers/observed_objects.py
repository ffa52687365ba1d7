"""The objects that Sekisho manages in one cluster, kept in memory by informers."""

from collections.abc import Callable

from management.controllers.informer import Collection, Informer
from management.controllers.timing import InformerTiming
from management.desired_state.diff import Key
from management.desired_state.sync import CLUSTER_KINDS, NAMESPACED_KINDS, POLICY_KINDS
from management.desired_state.user_service_accounts import USER_LABEL
from management.kubernetes.client import ClusterClient
from management.kubernetes.manifests import (
    NAMESPACE,
    SELECTOR,
    Manifest,
    api_version,
    collection_path,
)

KINDS = (*CLUSTER_KINDS, *NAMESPACED_KINDS, *POLICY_KINDS, "ServiceAccount")


class ObservedObjects:
    """One informer for each kind. ``changed`` is called when an object changes."""

    def __init__(
        self, client: ClusterClient, changed: Callable[[], None], timing: InformerTiming
    ) -> None:
        self._informers = {
            kind: Informer(client, _collection(kind), changed, timing) for kind in KINDS
        }

    @property
    def informers(self) -> tuple[Informer, ...]:
        """Return the informers."""
        return tuple(self._informers.values())

    @property
    def supports_label_policy(self) -> bool:
        """Return whether the cluster has the API of admission policies (Kubernetes 1.30)."""
        return not any(self._informers[kind].absent for kind in POLICY_KINDS)

    def by_key(self) -> dict[Key, Manifest]:
        """Return all objects by kind, namespace and name."""
        return {
            (kind, namespace, name): manifest
            for kind, informer in self._informers.items()
            for (namespace, name), manifest in informer.items.items()
        }

    def account_users(self) -> frozenset[str]:
        """Return the ids of users with a service account: the proxy creates them on first use."""
        accounts = self._informers["ServiceAccount"].items.values()
        labels = (one["metadata"].get("labels") or {} for one in accounts)
        return frozenset(one[USER_LABEL] for one in labels if USER_LABEL in one)

    def put(self, kind: str, manifest: Manifest) -> None:
        """Take the result of a write before the watch reports it."""
        self._informers[kind].put(manifest)

    def drop(self, kind: str, manifest: Manifest) -> None:
        """Remove a deleted object before the watch reports it."""
        self._informers[kind].drop(manifest)


def _collection(kind: str) -> Collection:
    def project(item: Manifest) -> Manifest:
        # Items of a list do not name their kind. Field managers are never used.
        metadata = {k: v for k, v in item["metadata"].items() if k != "managedFields"}
        kept = {k: v for k, v in item.items() if k != "status" or kind == "ResourceQuota"}
        return {**kept, "kind": kind, "apiVersion": api_version(kind), "metadata": metadata}

    namespace = NAMESPACE if kind == "ServiceAccount" else None
    return Collection(
        collection_path(kind, namespace), SELECTOR, projection=project, is_same=_is_same
    )


def _is_same(one: Manifest, other: Manifest) -> bool:
    """Return whether two versions differ in nothing that matters. A quota's usage does not."""
    return _relevant(one) == _relevant(other)


def _relevant(manifest: Manifest) -> Manifest:
    metadata = {
        key: manifest["metadata"].get(key) for key in ("labels", "deletionTimestamp", "uid")
    }
    return {**manifest, "metadata": metadata, "status": None}
