"""The snapshot of the store for one cluster, read again after a relevant change."""

from collections.abc import Awaitable, Callable, Collection

from management.desired_state.snapshot import Snapshot, take_snapshot
from store.interfaces import Store
from store.records import Change, Cluster

TakeSnapshot = Callable[[Store, Cluster, Collection[str]], Awaitable[Snapshot]]


class SnapshotCache:
    """Caches the snapshot of one cluster."""

    def __init__(self, store: Store, cluster: Cluster, take: TakeSnapshot = take_snapshot) -> None:
        self._store = store
        self._cluster = cluster
        self._take = take
        self._snapshot: Snapshot | None = None
        self._accounts: frozenset[str] = frozenset()
        self._changes = 0

    async def current(self, accounts: frozenset[str]) -> Snapshot:
        """Return the snapshot. ``accounts`` are the users with a service account in the cluster.

        Raises:
            StoreError: the store is not available.
        """
        per_user = self._cluster.impersonator == "per_user"
        if self._snapshot is not None and (accounts == self._accounts or not per_user):
            return self._snapshot
        self._accounts = accounts
        changes = self._changes
        taken = await self._take(self._store, self._cluster, accounts)
        # A change during the read may be missing in it, so the next call reads again.
        self._snapshot = taken if changes == self._changes else None
        return taken

    def invalidate(self) -> None:
        """Read the store again on the next call."""
        self._snapshot = None

    def on_store_change(self, change: Change) -> bool:
        """Invalidate the snapshot if a change affects it. Return whether it does."""
        if not self._is_affected(change):
            return False
        self._snapshot = None
        self._changes += 1
        return True

    def _is_affected(self, change: Change) -> bool:
        if change.kind in {"all", "role"} or change.key is None:
            return change.kind not in {"token", "provider", "status", "report"}
        if change.kind in {"cluster", "access"}:
            return change.key == self._cluster.id
        snapshot = self._snapshot
        if change.kind == "group":
            return bool(self._accounts)  # Members may have gained or lost access to the cluster.
        if change.kind == "user":
            return snapshot is None or change.key in {*snapshot.users, *self._accounts}
        return change.kind == "project" and (snapshot is None or change.key in snapshot.projects)
