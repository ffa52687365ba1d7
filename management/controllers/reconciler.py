"""Reconcile one cluster with the store while this replica holds its lease."""

import asyncio
from collections.abc import Callable

from config.loggers import get_logger
from management.backoff import Backoff
from management.controllers.change_writer import ChangeWriter
from management.controllers.informer import Informer
from management.controllers.label_trust import LabelTrust
from management.controllers.leader_election import Leadership
from management.controllers.namespace_sync import NamespaceSync
from management.controllers.observed_objects import ObservedObjects
from management.controllers.pending_changes import PendingChanges
from management.controllers.snapshot_cache import SnapshotCache
from management.controllers.timing import ReconcilerTiming
from management.desired_state.apply import ApplyResult, sekisho_namespace_uid
from management.desired_state.cluster_rbac import cluster_wide
from management.desired_state.diff import Key, ObjectAction, ObjectChange, diff, with_cluster_label
from management.desired_state.label_policy import is_installed
from management.desired_state.namespace_objects import in_namespaces, is_of_broken
from management.desired_state.quota_checks import below_use
from management.desired_state.snapshot import Snapshot, subject_names
from management.desired_state.user_service_accounts import proxy_role, user_account
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiNotFound, ClusterApiError, ClusterHeld
from management.kubernetes.manifests import NAMESPACE, Manifest
from management.tracing import attributes as names
from management.tracing.tracing import Tracing, operation
from store.errors import StoreError
from store.interfaces import Store
from store.records import Change, Cluster

MAX_SHOWN_FAILURES = 5

_LOG = get_logger(__name__)


class ClusterReconciler:
    """The reconciliation loop of one cluster. Call :meth:`run` once.

    ``is_leader`` returns whether this replica holds the cluster's lease. ``error`` is why the last
    reconciliation failed, or None. ``synced`` is set while the cluster matches the store.
    """

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        client: ClusterClient,
        is_leader: Callable[[], bool],
        *,
        label_trust: LabelTrust | None = None,
        timing: ReconcilerTiming | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._cluster = cluster
        self._tracing = tracing
        self._client = client
        self._label_trust = label_trust or LabelTrust()
        self._timing = timing or ReconcilerTiming()
        self._dirty = PendingChanges()
        leadership = Leadership(cluster.name, is_leader)
        self._snapshots = SnapshotCache(store, cluster)
        self._objects = ObservedObjects(client, self._dirty.set, self._timing.informer)
        self._writer = ChangeWriter(client, self._objects, leadership)
        self._namespaces = NamespaceSync(
            store, cluster, client, leadership, self._dirty.set, self._timing.informer
        )
        self._namespace_uid: str | None = None
        self._failures: tuple[str, ...] = ()
        self._reconciled = False
        self.error: str | None = None
        self.synced = asyncio.Event()

    @property
    def writes(self) -> int:
        """Return the number of writes to the cluster so far."""
        return self._writer.writes + self._namespaces.writes

    @property
    def calls(self) -> int:
        """Return the number of lists, watches and writes so far."""
        return self.writes + sum(one.calls for one in self.collections)

    @property
    def collections(self) -> tuple[Informer, ...]:
        """Return the informers of the cluster's objects and namespaces."""
        return (*self._objects.informers, self._namespaces.informer)

    @property
    def waiting_seconds(self) -> float:
        """Return how long the oldest change waits that is not in the cluster yet; 0.0: none."""
        return self._dirty.age_seconds

    @property
    def problem(self) -> str | None:
        """Return why the cluster does not match the store, as far as is known; None: it does."""
        if self.error is None and self._reconciled:
            return None
        errors = (one.error for one in self.collections if one.error is not None)
        return self.error or next(errors, "not reconciled yet")

    async def run(self) -> None:
        """Reconcile the cluster until cancelled.

        Raises:
            LeadershipLost: another replica leads the cluster now.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.run()) for one in self.collections]
            try:
                for one in self.collections:
                    await one.synced.wait()
                await self._reconcile_forever()
            finally:
                for task in tasks:
                    task.cancel()

    def on_store_change(self, change: Change) -> None:
        """Reconcile soon if a change in the store affects the cluster."""
        if self._snapshots.on_store_change(change):
            self.synced.clear()
            self._dirty.set()
        if change.kind == "tunnels" and change.key == self._cluster.id:
            # An agent has connected, perhaps. What failed without one is not delayed further.
            self._client.retry_now()
            if self.error is not None:
                self._dirty.set()

    def trusts_labels(self) -> bool:
        """Return whether namespace labels can be trusted; see :class:`LabelTrust`.

        Reconcile again as soon as they can.
        """
        pending = self._label_trust.pending_seconds(self._objects.by_key())
        if pending and self._objects.supports_label_policy:
            asyncio.get_running_loop().call_later(pending, self._dirty.set)
        return not pending

    async def _reconcile_forever(self) -> None:
        backoff = Backoff(self._timing.first_pause, self._timing.last_pause)
        self._dirty.set()
        while True:
            await self._dirty.wait()
            await asyncio.sleep(self._timing.gather_seconds)
            self._dirty.take()
            failures = await self._traced_attempt()
            if set(failures) - set(self._failures):
                backoff.reset()  # A failure that lasts does not delay the retry of a new one.
            self._failures = failures
            self._report("; ".join(failures[:MAX_SHOWN_FAILURES]) or None)
            if failures:
                asyncio.get_running_loop().call_later(backoff.pause(), self._dirty.set)
                continue
            self._dirty.applied()
            backoff.reset()
            if not self._dirty.is_set():
                self.synced.set()

    def _report(self, error: str | None) -> None:
        """Store and log the result of a reconciliation."""
        if error != self.error:
            _LOG.log(
                30 if error else 20,
                "cluster not in sync" if error else "cluster in sync",
                cluster=self._cluster.name,
                error=error,
            )
        self.error = error
        self._reconciled = True

    async def _traced_attempt(self) -> tuple[str, ...]:
        writes = self.writes
        attributes = {names.CLUSTER: self._cluster.name}
        with operation(self._tracing, "reconcile", attributes) as span:
            failures = await self._attempt()
            span.set({"sekisho.writes": self.writes - writes})
            if failures:
                span.fail("not_in_sync")
        return failures

    async def _attempt(self) -> tuple[str, ...]:
        """Reconcile once. Return what failed, as sentences."""
        try:
            result = await self._reconcile()
        except ApiNotFound as exc:
            self._namespace_uid = None
            return (f"{exc}; import the cluster again",)
        except (ClusterApiError, StoreError) as exc:
            return (str(exc),)
        return tuple(result.failed)

    async def _reconcile(self) -> ApplyResult:
        if self._client.endpoint.held:  # Nor is the store changed by what the cluster has.
            raise ClusterHeld
        if self._namespace_uid is None:
            self._namespace_uid = await sekisho_namespace_uid(self._client)
        result = ApplyResult()
        snapshot = await self._snapshots.current(self._objects.account_users())
        if await self._namespaces.run(snapshot, labels_trusted=self.trusts_labels(), result=result):
            self._snapshots.invalidate()
        if result.unreachable:
            return result
        snapshot = await self._snapshots.current(self._objects.account_users())
        observed = self._objects.by_key()
        policy = self._label_trust.desired_policy(supported=self._objects.supports_label_policy)
        # In a thread: thousands of objects take a while, and the proxy runs on this event loop.
        changes, broken = await asyncio.to_thread(
            _plan, self._cluster, snapshot, observed, policy, set(self._namespaces.live)
        )
        result.failed += [f"project {key}: {reason}" for key, reason in broken.items()]
        self._log_quotas_below_use(changes)
        await self._writer.apply(changes, self._namespace_uid, result)
        if is_installed(self._objects.by_key()) != is_installed(observed):
            self._dirty.set()  # What project members may do with namespaces depends on it.
        if result.done:
            _LOG.info(
                "cluster objects repaired",
                cluster=self._cluster.name,
                changes=len(result.done),
                first=result.done[0],
            )
        return result

    def _log_quotas_below_use(self, changes: list[ObjectChange]) -> None:
        """Log quotas that become lower than what is in use: nothing new can start there."""
        for one in changes:
            if one.manifest["kind"] != "ResourceQuota" or one.current is None:
                continue
            name = one.manifest["metadata"]["namespace"]
            hard = one.manifest["spec"]["hard"] if one.action is not ObjectAction.DELETE else {}
            used = (one.current.get("status") or {}).get("used") or {}
            below = list(below_use({name: hard}, {name: used}))
            if below:
                _LOG.warning("quota below use", cluster=self._cluster.name, namespaces=below)


def _plan(
    cluster: Cluster,
    snapshot: Snapshot,
    observed: dict[Key, Manifest],
    policy: list[Manifest],
    live_namespaces: set[str],
) -> tuple[list[ObjectChange], dict[str, str]]:
    """Return the changes to make, and by id the projects for which none could be planned, and why.

    It runs in a thread and changes nothing that is shared.
    """
    broken: dict[str, str] = {}
    desired = [
        *cluster_wide(snapshot, labels_protected=is_installed(observed)),
        *in_namespaces(snapshot, broken=broken),
        *_user_accounts(cluster, snapshot),
    ]
    # All Sekisho installations that manage the cluster share these objects.
    shared = [*policy, proxy_role(cluster.impersonator)]
    # A namespace that is being deleted accepts no new objects.
    places = {None, NAMESPACE, *live_namespaces}
    changes = diff(
        [
            one
            for one in [*with_cluster_label(desired, cluster.id), *shared]
            if one["metadata"].get("namespace") in places
        ],
        observed,
        cluster.id,
    )
    return [one for one in changes if not is_of_broken(one, broken)], broken


def _user_accounts(cluster: Cluster, snapshot: Snapshot) -> list[Manifest]:
    """Return the objects of users' service accounts."""
    desired: list[Manifest] = []
    for one in snapshot.accounts.values():
        desired += user_account(
            one.user.id,
            subject_names(cluster, one.user),
            (group.id for group in one.groups),
            administrator=one.administrator,
        )
    return desired
