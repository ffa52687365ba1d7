"""The differences between a restored database and the clusters, and the end of the hold.

After a restore, the database is older than the clusters. Reconciling would give rights again that
were taken back since, and take back those that were given. So a cluster is held
(``Cluster.held_since``) until an operator has seen the differences and accepts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from management.desired_state.diff import ObjectChange
from management.desired_state.snapshot import take_snapshot
from management.desired_state.sync import plan_once
from management.errors import InvalidRequest
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.manifests import Manifest
from store.interfaces import Store
from store.records import Cluster


@dataclass(frozen=True, slots=True)
class Difference:
    """A change that Sekisho would make. ``gives`` and ``takes`` are subjects of ``role``.

    Of objects that are no bindings, all three are empty.
    """

    action: str
    title: str
    role: str = ""
    gives: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


async def differences(store: Store, cluster: Cluster) -> list[Difference]:
    """Return what Sekisho would change in the cluster now. Changes nothing.

    Raises:
        ClusterApiError, InvalidRequest, StoreError: the cluster or the store can't be read.
    """
    async with controller_client(cluster) as client:
        changes, broken = await plan_once(client, await take_snapshot(store, cluster), None)
    return [
        *(_difference(one) for one in changes),
        *(Difference("skip", f"project {key}: {reason}") for key, reason in broken.items()),
    ]


async def held_clusters(store: Store, name: str | None) -> Sequence[Cluster]:
    """Return the held clusters, or the one with this name. Raises InvalidRequest if none is."""
    held = [one for one in await store.clusters.list_all() if one.held_since is not None]
    if name is None:
        return held
    found = [one for one in held if name in {one.name, one.id}]
    if not found:
        raise InvalidRequest(f'cluster "{name}" does not exist, or is not held')
    return found


async def accept(store: Store, cluster: Cluster) -> None:
    """Let Sekisho change the cluster again."""
    released = replace(cluster, held_since=None)
    await store.clusters.replace(released, revision=cluster.revision)


def _difference(change: ObjectChange) -> Difference:
    if not change.manifest["kind"].endswith("RoleBinding"):
        return Difference(str(change.action), change.title)
    before = _subjects(change.current) if change.current is not None else frozenset[str]()
    after = frozenset[str]() if change.action == "delete" else _subjects(change.manifest)
    if change.action == "recreate":  # The role differs, so every subject loses one and gets one.
        gives, takes = after, before
    else:
        gives, takes = after - before, before - after
    return Difference(
        str(change.action),
        change.title,
        str(change.manifest["roleRef"]["name"]),
        tuple(sorted(gives)),
        tuple(sorted(takes)),
    )


def _subjects(manifest: Manifest) -> frozenset[str]:
    return frozenset(
        f"{one.get('kind')} {one.get('name')}" for one in manifest.get("subjects") or []
    )
