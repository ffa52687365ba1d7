"""Follow the orders in one management cluster while this replica holds its lease.

A pass compares each order with what the engine reports, stores the order's state, and begins the
next act. Each order has at most one act at a time, and waits after a failure by itself, so that an
order that fails does not delay another one. A pass over orders that have not changed uses neither
the store nor the engine.

The file is longer than 300 lines because it is one class, whose parts share the state of a pass.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from config.loggers import get_logger
from management.clusters.clock import utc_now
from management.controllers.leader_election import Leadership, LeadershipLost
from management.errors import ManagementError
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiForbidden, ClusterApiError
from management.provisioning.acts import Acts
from management.provisioning.deletion import OrderEnding
from management.provisioning.engine_view import EngineState, EngineView
from management.provisioning.follower import Follower
from management.provisioning.importing import ClusterImporter
from management.provisioning.known_orders import KnownOrders
from management.provisioning.observation import facts_of, observation
from management.provisioning.observed import ObservedCluster
from management.provisioning.reporting import Reports
from management.provisioning.states import judge
from management.provisioning.steps import Step, next_step, owns
from store.errors import StoreError
from store.interfaces import Store
from store.order_records import ManagementCluster, Order, OrderObservation
from store.records import Change, Cluster

GATHER_SECONDS = 0.1
"""How long changes are collected before a pass."""

TICK_SECONDS = 5.0
"""Longest time between passes: states become slow, and clusters are imported again."""

AWAY_SECONDS = 3.0
"""How long the engine must be away before orders say so. A restarted API server takes less."""

MOST_ACTS = 8
"""Acts at a time. An import takes CPU here, and an engine has limits of its own."""

IDENTITY_PATH = "/version"
"""A path that every account may read, and to which a token that is not known gets 401."""

_LOG = get_logger(__name__)


class Provisioner:
    """The loop of one management cluster. Call :meth:`run` once.

    ``client`` is that of Sekisho's account there.
    """

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        management: ManagementCluster,
        client: ClusterClient,
        importer: ClusterImporter,
        *,
        is_leader: Callable[[], bool],
        reports: Reports,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.cluster = cluster
        self.reports = reports
        self._known = KnownOrders(store, cluster.id)
        self._store = store
        self._client = client
        self._now = now
        self._dirty = asyncio.Event()
        self._view = EngineView(client, management.namespace, self._dirty.set)
        self._leadership = Leadership(cluster.name, is_leader)
        self._acts = Acts(
            store,
            client,
            management,
            importer,
            OrderEnding(store, cluster, management),
            self._leadership,
            reports,
            self._view.put,
            now,
        )
        self._followers: dict[str, Follower] = {}
        self._absent_since: float | None = None
        self._slots = asyncio.Semaphore(MOST_ACTS)

    @property
    def orders(self) -> dict[str, Order]:
        """Return the orders that were read last, by their ids."""
        return self._known.by_id

    @property
    def engine_problem(self) -> str:
        """Why the engine's objects are not up to date; empty: they are."""
        return self._view.problem

    @property
    def follows(self) -> bool:
        """Whether the engine's objects are known and up to date."""
        return self._view.synced and not self._view.problem

    async def is_rejected(self) -> bool:
        """Return whether the management cluster does not know the token of Sekisho's account.

        It is asked, because an API server keeps watches open for minutes after the account is
        deleted. Where it does not answer, nothing is known.
        """
        try:
            await self._client.get(IDENTITY_PATH)
        except ApiForbidden as exc:
            return exc.status == 401
        except ClusterApiError:
            pass
        return self._view.rejected

    @property
    def calls(self) -> int:
        """The number of lists and watches so far."""
        return self._view.calls

    async def run(self) -> None:
        """Follow the orders until cancelled.

        Raises:
            LeadershipLost: another replica leads the management cluster now.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._view.run())
                group.create_task(self._pass_forever())
        finally:
            tasks = [one.task for one in self._followers.values() if one.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def on_store_change(self, change: Change) -> None:
        """Take a change of the store: of an order, or of the status of an imported cluster."""
        if change.kind in {"order", "all"}:  # A new order is not known yet.
            self._known.changed(change.key if change.kind == "order" else None)
            self._dirty.set()
        elif change.kind == "status" and change.key in self.orders:
            self._known.status_changed(change.key)
            self._dirty.set()
        elif change.kind == "tunnels" and change.key in self._followers:
            self._followers[change.key].pauses.pop("import", None)  # Perhaps its agent connected.
            self._dirty.set()
        elif change.kind == "tunnels" and change.key == self.cluster.id:
            self._client.retry_now()

    async def _pass_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._dirty.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(GATHER_SECONDS)
            self._dirty.clear()
            self._leadership.require()
            try:
                await self.compare()
            except StoreError as exc:
                self._known.changed()
                _LOG.warning("orders not followed", cluster=self.cluster.name, error=str(exc))
                await asyncio.sleep(TICK_SECONDS)

    async def compare(self) -> None:
        """Compare each order with what the engine reports, once. Raises StoreError."""
        if await self._known.read():
            for one in self._followers.keys() - self.orders.keys():
                if self._followers[one].task is None:
                    del self._followers[one]
        for order_id, status in (await self._known.statuses()).items():
            self._follower(order_id).read_status(status)
        away = self._away()
        is_current = self.follows
        state = self._view.state() if self._view.synced else EngineState()
        for order in list(self.orders.values()):
            await self._consider(order, state, away, is_current=is_current)

    def _away(self) -> str:
        """Return why the engine is away, if it is for some seconds; otherwise, an empty string."""
        now = asyncio.get_running_loop().time()
        if not self._view.problem:
            self._absent_since = None
        elif self._absent_since is None:
            self._absent_since = now
        if self._absent_since is None or now - self._absent_since < AWAY_SECONDS:
            return ""
        return f"The engine does not respond: {self._view.reason}."

    async def _consider(
        self, order: Order, state: EngineState, away: str, *, is_current: bool
    ) -> None:
        """Store what is seen of an order, and begin its next act.

        An order that has changed during the pass is left to the next one, and so is the act after
        one that ends during the pass: it would repeat what was done.
        """
        if self._known.is_outdated(order.id):
            return
        follower = self._follower(order.id)
        is_busy = follower.task is not None
        follower.meet(order.engine_uid)
        cluster = state.clusters.get(order.engine_name)
        facts = facts_of(order, follower, state, away)
        seen = observation(
            order,
            facts,
            judge(order, facts, self._now()) if is_current or cluster is not None else None,
            self._now(),
        )
        if order.engine_uid is None and cluster is not None and owns(order, cluster):
            seen["engine_uid"] = cluster.uid
        if seen:
            if not await self._observed(order, follower, seen):
                return
            order = replace(order, **seen)
        if is_current and not is_busy:
            self._begin_act(order, follower, cluster)

    async def _observed(self, order: Order, follower: Follower, seen: OrderObservation) -> bool:
        """Store what was seen, now or in a pass after a tick. Return False if the order is gone."""
        now = asyncio.get_running_loop().time()
        if "engine_uid" not in seen and not follower.may_store(now):
            return True
        if not await self._store.orders.observe(order.id, revision=order.revision, **seen):
            self._known.changed(order.id)
            return False
        self.orders[order.id] = replace(order, **seen)
        return True

    def _begin_act(self, order: Order, follower: Follower, cluster: ObservedCluster | None) -> None:
        now = asyncio.get_running_loop().time()
        is_refused = follower.is_refused(order.revision, now)
        step = next_step(
            order,
            cluster,
            refused_revision=order.revision if is_refused else None,
            import_again=follower.wants_import(self._now()),
            left=follower.left,
        )
        if step is not None and follower.may_run(step, order.revision, now):
            follower.task = asyncio.create_task(
                self._act(order, follower, step, cluster), name=f"order-{order.name}-{step}"
            )

    async def _act(
        self, order: Order, follower: Follower, step: Step, cluster: ObservedCluster | None
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._slots:
                self._leadership.require()
                self._announce(order, follower, step)
                await self._acts.run(step, order, cluster, follower)
        except LeadershipLost:
            pass  # The next pass ends this provisioner.
        except Exception as exc:
            kind = follower.failed(step, exc, order.revision, loop.time())
            self.reports.errors[kind] += 1
            loop.call_at(follower.next_at(step), self._dirty.set)
            expected = isinstance(exc, ClusterApiError | ManagementError | StoreError)
            _LOG.log(
                20 if expected else 40,
                "order waits",
                order=order.name,
                step=step,
                kind=kind,
                error=_logged(exc),
                exc_info=None if expected else exc,
            )
        else:
            follower.succeeded(step, order.revision, loop.time())
        finally:
            follower.task = None
            self._known.changed(order.id)
            self._dirty.set()

    def _announce(self, order: Order, follower: Follower, step: Step) -> None:
        """Show that an import has begun."""
        if step == "import" and follower.import_problem is None and order.imported_at is None:
            self._acts.reached(order, "initialized")
            follower.import_problem = ""
            self._dirty.set()

    def _follower(self, order_id: str) -> Follower:
        return self._followers.setdefault(order_id, Follower())


def _logged(error: Exception) -> str:
    """Return what the log has of an error. The engine's words may repeat a variable's value."""
    if isinstance(error, ClusterApiError) and error.status:
        return f"the management cluster responded with {error.status}"
    return str(error)
