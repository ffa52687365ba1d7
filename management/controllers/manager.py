"""Everything that looks after clusters in this replica: begun and ended as leases come and go."""

import asyncio
from dataclasses import dataclass

import structlog

from management.cluster_errors import ClusterError
from management.cluster_records import endpoint_of
from management.clusters import ClusterService
from management.controllers.keeper import Keeper
from management.controllers.leadership import Leadership
from management.downstream.client import ClusterClient
from management.downstream.endpoint import Credential
from management.downstream.errors import DownstreamError
from management.fleet.observer import Observer
from store.interfaces import Change, Cluster, Store, StoreError

RESTART_SECONDS = 5.0
"""How long after an unexpected failure a cluster is looked after again."""

REMOVAL_SECONDS = 15.0
"""How often the removal of a cluster that is away is tried again."""

STOP_SECONDS = 1.0
"""How long the end may take: the server stops, and leases run out by themselves."""

BEGUN_A_SECOND = 20
"""Clusters that are begun with: after a start, or when another replica has ended, it is a thousand
at once, the gate runs on the same core, and the leases are renewed through the same database."""

NO_TOKEN = "Sekisho has no controller token for the cluster"  # noqa: S105 - a sentence

_LOG = structlog.get_logger("sekisho.controllers")


@dataclass(slots=True)
class Care:
    """One cluster that is looked after."""

    cluster: Cluster
    task: asyncio.Task[None]
    keeper: Keeper | None = None


class ControllerManager:
    """Run :meth:`run` beside the server."""

    def __init__(self, store: Store, leadership: Leadership | None = None) -> None:
        self._store = store
        self.leadership = leadership or Leadership(store)
        self._cares: dict[str, Care] = {}
        self._turn = asyncio.Lock()
        self._stale = True

    @property
    def cares(self) -> dict[str, Care]:
        """What is looked after, by cluster id."""
        return dict(self._cares)

    async def run(self) -> None:
        """Look after what this replica leads, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.leadership.run(self._led))
                group.create_task(self._follow())
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """End everything and give the leases back, unless the store keeps that waiting."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end(*self._cares)
                await self.leadership.give_up()
        except (StoreError, TimeoutError) as exc:
            _LOG.warning("leases not given back; they run out", error=str(exc) or "no time left")

    async def _follow(self) -> None:
        """Tell every keeper what changes in the store."""
        async with self._store.changes.subscribe() as changes:
            async for change in changes:
                if change.kind == "status":
                    continue  # It is we who write them, one for each cluster, again and again.
                for care in self._cares.values():
                    if care.keeper is not None:
                        care.keeper.told(change)
                if change.kind in {"cluster", "all"}:
                    await self._renewed(change)

    async def _renewed(self, change: Change) -> None:
        """A cluster was added, changed or deleted."""
        try:
            if change.key is None or change.key not in self._cares:
                await self.leadership.renew()
            await self._settle(self.leadership.led)
        except StoreError as exc:
            _LOG.warning("clusters not looked at", error=str(exc))

    async def _led(self, led: frozenset[str]) -> None:
        """Leases were renewed. Unless something may have changed, there is nothing to read."""
        missed = self._stale or not self._store.changes.live
        ended = any(care.task.done() for care in self._cares.values())
        if missed or ended or led != self._cares.keys():
            await self._settle(led)

    async def _settle(self, led: frozenset[str]) -> None:
        """Begin and end so that exactly what is led is looked after, each as it is stored."""
        async with self._turn:
            self._stale = True
            try:
                stored = {one.id: one for one in await self._store.clusters.list_all()}
            except StoreError as exc:
                _LOG.warning("clusters not looked at", error=str(exc))
                await self._end(*(self._cares.keys() - led))
                return
            self._stale = False
            wanted = {one: stored[one] for one in led & stored.keys()}
            changed = [
                one
                for one, care in self._cares.items()
                if one not in wanted or _differs(wanted[one], care.cluster) or care.task.done()
            ]
            await self._end(*changed)
            fresh = [one for one in wanted.values() if one.id not in self._cares]
            for position, cluster in enumerate(fresh):
                self._begin(cluster, position / BEGUN_A_SECOND)

    def _begin(self, cluster: Cluster, after: float) -> None:
        looking = self._look_after(cluster, after)
        task = asyncio.create_task(looking, name=f"cluster-{cluster.name}")
        self._cares[cluster.id] = Care(cluster, task)

    async def _end(self, *cluster_ids: str) -> None:
        ended = [self._cares.pop(one) for one in cluster_ids if one in self._cares]
        for care in ended:
            care.task.cancel()
        await asyncio.gather(*(care.task for care in ended), return_exceptions=True)

    async def _look_after(self, cluster: Cluster, after: float) -> None:
        """From so many seconds on until cancelled; from the beginning again where it fails."""
        await asyncio.sleep(after)
        while True:
            try:
                if cluster.removing_since is not None:
                    await self._remove(cluster)
                    return
                await self._care_for(cluster)
            except Exception:
                if not self.leadership.leads(cluster.id):
                    return
                _LOG.exception("cluster not looked after", cluster=cluster.name)
            await asyncio.sleep(RESTART_SECONDS)

    async def _care_for(self, cluster: Cluster) -> None:
        def leads() -> bool:
            return self.leadership.leads(cluster.id)

        token = cluster.controller_token
        credential = Credential(token=token or cluster.impersonator_token)
        async with ClusterClient(endpoint_of(cluster), credential) as client:
            keeper = Keeper(self._store, cluster, client, leads) if token is not None else None
            care = self._cares.get(cluster.id)
            if care is not None:
                care.keeper = keeper
            observer = Observer(
                self._store,
                cluster,
                client,
                rbac_error=lambda: keeper.problem if keeper is not None else NO_TOKEN,
                leads=leads,
                full=keeper is not None,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(observer.run())
                if keeper is not None:
                    group.create_task(keeper.run())

    async def _remove(self, cluster: Cluster) -> None:
        """Take what is ours out of a cluster that was away when it was removed."""
        while True:
            try:
                await ClusterService(self._store).remove(cluster.id)
            except (DownstreamError, ClusterError, StoreError) as exc:
                _LOG.info("cluster not cleaned yet", cluster=cluster.name, error=str(exc))
            else:
                _LOG.info("cluster cleaned and forgotten", cluster=cluster.name)
                return
            await asyncio.sleep(REMOVAL_SECONDS)


def _differs(one: Cluster, other: Cluster) -> bool:
    """Whether a cluster must be looked after anew: by another way, or by other names."""
    return (
        one.servers,
        one.ca_pem,
        one.tls_server_name,
        one.impersonator_token,
        one.controller_token,
        one.user_name,
        one.isolation,
        one.removing_since,
        one.name,
    ) != (
        other.servers,
        other.ca_pem,
        other.tls_server_name,
        other.impersonator_token,
        other.controller_token,
        other.user_name,
        other.isolation,
        other.removing_since,
        other.name,
    )
