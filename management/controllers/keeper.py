"""Keeps one cluster as it shall be, for as long as this replica looks after it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog

from management.controllers.informer import Collection, Informer
from management.controllers.places import Forget, Keep, LiveNamespace, Relabel, Step, steps
from management.downstream.client import ClusterClient
from management.downstream.errors import DownstreamError, Missing, Unreachable
from management.downstream.objects import (
    NAMESPACE,
    PROJECT_LABEL,
    SELECTOR,
    Manifest,
    api_version,
    collection_path,
)
from management.settling import CLUSTER_KINDS, GUARD_KINDS, NAMESPACED_KINDS
from management.wanted.accounts import USER_LABEL, gate_role, user_account
from management.wanted.carrying_out import Outcome, carry_out_one, our_namespace
from management.wanted.difference import Change, Key, Verb, difference, is_as_wanted, labelled
from management.wanted.guard import guard
from management.wanted.namespaces import in_namespaces
from management.wanted.roles import cluster_wide
from management.wanted.snapshot import Snapshot, subject_names, take_snapshot
from store.interfaces import Change as StoreChange
from store.interfaces import Cluster, NotFound, Store, StoreError

GATHER_SECONDS = 0.05
"""How long changes are gathered before anything is done about them."""

FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds before what failed is tried again: each pause is twice the one before."""

AT_ONCE = 8
"""Writes that run at the same time in one cluster."""

TRUSTED_AFTER = 10.0
"""Seconds after which every API server of a cluster enforces a guard that is there."""

_KINDS = (*CLUSTER_KINDS, *NAMESPACED_KINDS, *GUARD_KINDS, "ServiceAccount")
_LOG = structlog.get_logger("sekisho.controllers")


class Lost(Exception):
    """Somebody else looks after the cluster now: nothing more may be written."""


class Keeper:
    """Run :meth:`run` once. ``leads`` says whether this replica still looks after the cluster."""

    def __init__(
        self, store: Store, cluster: Cluster, client: ClusterClient, leads: Callable[[], bool]
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._leads = leads
        self._dirty = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._accounts: frozenset[str] = frozenset()
        self._namespace_uid: str | None = None
        self._distrusted_until = 0.0
        self._informers = {kind: self._informer(kind) for kind in _KINDS}
        self._namespaces = Informer(
            client, Collection(collection_path("Namespace"), essence=_place), self._dirty.set
        )
        self.error: str | None = None
        self._reconciled = False
        self.settled = asyncio.Event()
        self.writes = 0

    @property
    def calls(self) -> int:
        """Lists, watches and writes so far."""
        return self.writes + sum(one.calls for one in self._everything())

    @property
    def problem(self) -> str | None:
        """Why the cluster isn't as it shall be, as far as is known; None: it is."""
        if self.error is None and self._reconciled:
            return None
        told = (one.error for one in self._everything() if one.error is not None)
        return self.error or next(told, "not looked at yet")

    async def run(self) -> None:
        """Keep the cluster as it shall be until cancelled, or somebody else does. Raises Lost."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.run()) for one in self._everything()]
            try:
                for one in self._everything():
                    await one.synced.wait()
                await self._keep()
            finally:
                for task in tasks:
                    task.cancel()

    def told(self, change: StoreChange) -> None:
        """Something in the store has changed."""
        if self._concerned(change):
            self._snapshot = None
            self.settled.clear()
            self._dirty.set()

    def _concerned(self, change: StoreChange) -> bool:
        if change.kind in {"all", "role"} or change.key is None:
            return change.kind not in {"token", "provider", "status"}
        if change.kind in {"cluster", "access"}:
            return change.key == self._cluster.id
        snapshot = self._snapshot
        if change.kind == "group":
            return bool(self._accounts)  # Members of it may enter now, or no more.
        if change.kind == "user":
            return snapshot is None or change.key in {*snapshot.users, *self._accounts}
        return change.kind == "project" and (snapshot is None or change.key in snapshot.projects)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        self._dirty.set()
        while True:
            await self._dirty.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._dirty.clear()
            failure = await self._tried()
            if failure != self.error:
                _LOG.log(
                    30 if failure else 20,
                    "cluster not as it shall be" if failure else "cluster is as it shall be",
                    cluster=self._cluster.name,
                    error=failure,
                )
            self.error = failure
            self._reconciled = True
            if failure is None:
                pause = FIRST_PAUSE
                if not self._dirty.is_set():
                    self.settled.set()
                continue
            asyncio.get_running_loop().call_later(pause, self._dirty.set)
            pause = min(pause * 2, LAST_PAUSE)

    async def _tried(self) -> str | None:
        """Do what is to be done; what failed, or None."""
        try:
            outcome = await self._reconcile()
        except Missing as exc:
            self._namespace_uid = None
            return f"{exc}; import the cluster again"
        except (DownstreamError, StoreError) as exc:
            return str(exc)
        return "; ".join(outcome.failed[:5]) or None

    async def _reconcile(self) -> Outcome:
        if self._namespace_uid is None:
            self._namespace_uid = await our_namespace(self._client)
        await self._settle_places()
        snapshot = await self._current()
        # A namespace that is going away takes nothing new.
        here = {name for (_, name), one in self._namespaces.items.items() if one is not None}
        # In a thread: with thousands of objects it takes a while, and the gate is on this loop.
        changes = await asyncio.to_thread(
            self._changes_of, snapshot, self._observed(), self._wanted_guard(), here
        )
        outcome = await self._carry_out(changes)
        if outcome.done:
            _LOG.info(
                "cluster mended",
                cluster=self._cluster.name,
                changes=len(outcome.done),
                first=outcome.done[0],
            )
        return outcome

    def _changes_of(
        self,
        snapshot: Snapshot,
        observed: dict[Key, Manifest],
        guards: list[Manifest],
        here: set[str],
    ) -> list[Change]:
        """What is to be done. Changes nothing that others look at."""
        own = [
            *cluster_wide(snapshot),
            *in_namespaces(snapshot),
            *self._wanted_accounts(snapshot),
        ]
        # Shared by every Sekisho that looks after the cluster, if there are several.
        shared = [*guards, gate_role(self._cluster.isolation)]
        there = {None, NAMESPACE, *here}
        wanted = [
            one
            for one in [*labelled(own, self._cluster.id), *shared]
            if one["metadata"].get("namespace") in there
        ]
        return difference(wanted, observed, self._cluster.id)

    async def _carry_out(self, changes: list[Change]) -> Outcome:
        """In order of kinds; those of one kind some at a time."""
        outcome = Outcome()
        places = asyncio.Semaphore(AT_ONCE)

        async def one(change: Change) -> None:
            async with places:
                # Where the cluster is away there is no use in asking for each of thousands.
                if not outcome.away:
                    await self._do(change, outcome)

        for batch in _batches(changes):
            async with asyncio.TaskGroup() as group:
                for change in batch:
                    group.create_task(one(change))
        return outcome

    async def _do(self, change: Change, outcome: Outcome) -> None:
        self._require_lead()
        self.writes += 1
        informer = self._informers[change.manifest["kind"]]
        try:
            made = await carry_out_one(self._client, change, self._namespace_uid or "")
        except DownstreamError as exc:
            outcome.away = outcome.away or isinstance(exc, Unreachable)
            outcome.failed.append(f"{change.verb} {change.title}: {exc}")
            return
        if made is None:
            informer.drop(change.manifest)
        else:
            informer.put(made)
        outcome.done.append(f"{change.verb} {change.title}")

    async def _settle_places(self) -> None:
        """Let labels and store agree on where each namespace belongs."""
        snapshot = await self._current()
        live = {one.name: one for one in self._namespaces.items.values() if one is not None}
        todo = steps(
            self._cluster.id,
            live,
            snapshot.namespaces,
            snapshot.projects,
            guarded=self.trusts_labels(),
        )
        for step in todo:
            self._require_lead()
            await self._place(step)
        if todo:
            self._snapshot = None

    async def _place(self, step: Step) -> None:
        projects = self._store.projects
        if isinstance(step, Keep):
            try:
                await projects.put_namespace(step.namespace)
            except NotFound:
                return  # The project has just been deleted: told in a moment.
        elif isinstance(step, Forget):
            name, uid = step.namespace.namespace, step.namespace.uid
            if await self._is_gone(name, uid):
                await projects.drop_namespace(self._cluster.id, name, uid)
        else:
            await self._relabel(step)

    async def _is_gone(self, name: str, uid: str) -> bool:
        """Whether a namespace is in no project any more.

        Asked of the cluster: what was made a moment ago may not have been seen yet.
        """
        found = await self._client.find(f"{collection_path('Namespace')}/{name}")
        if found is None or found["metadata"]["uid"] != uid:
            return True
        return bool(found["metadata"].get("deletionTimestamp")) or _unplaced(found)

    async def _relabel(self, step: Relabel) -> None:
        metadata = {"uid": step.uid, "labels": {PROJECT_LABEL: step.project_id}}
        path = f"{collection_path('Namespace')}/{step.name}"
        self.writes += 1
        self._namespaces.put(await self._client.patch(path, {"metadata": metadata}))

    def trusts_labels(self) -> bool:
        """Whether labels can be believed: the guard is in force, and has been for a while.

        It takes a moment until every API server enforces one that is new, or was put right.
        """
        observed = self._observed()
        there = [observed.get((one["kind"], "", one["metadata"]["name"])) for one in guard()]
        now = time.monotonic()
        if not all(
            current is not None and is_as_wanted(one, current)
            for one, current in zip(guard(), there, strict=True)
        ):
            self._distrusted_until = now + TRUSTED_AFTER
        else:
            youngest = min(_age(current) for current in there if current is not None)
            self._distrusted_until = max(self._distrusted_until, now + TRUSTED_AFTER - youngest)
        if now < self._distrusted_until and not self._is_absent():
            wait = self._distrusted_until - now
            asyncio.get_running_loop().call_later(wait, self._dirty.set)
        return now >= self._distrusted_until

    def _is_absent(self) -> bool:
        return any(self._informers[kind].absent for kind in GUARD_KINDS)

    def _wanted_guard(self) -> list[Manifest]:
        return [] if self._is_absent() else guard()

    def _wanted_accounts(self, snapshot: Snapshot) -> list[Manifest]:
        """Users' own accounts."""
        found: list[Manifest] = []
        for one in snapshot.accounts.values():
            found += user_account(
                one.user.id,
                subject_names(self._cluster, one.user),
                (group.id for group in one.groups),
                administrator=one.administrator,
            )
        return found

    async def _current(self) -> Snapshot:
        made = self._accounts_made()
        if self._snapshot is None or (made != self._accounts and self._isolated):
            self._accounts = made
            self._snapshot = await take_snapshot(self._store, self._cluster, made)
        return self._snapshot

    @property
    def _isolated(self) -> bool:
        return self._cluster.isolation == "per_user"

    def _accounts_made(self) -> frozenset[str]:
        """The users who have an account in the cluster: the gate makes them on first use."""
        accounts = self._informers["ServiceAccount"].items.values()
        labels = (one["metadata"].get("labels") or {} for one in accounts)
        return frozenset(one[USER_LABEL] for one in labels if USER_LABEL in one)

    def _observed(self) -> dict[Key, Manifest]:
        return {
            (kind, namespace, name): manifest
            for kind, informer in self._informers.items()
            for (namespace, name), manifest in informer.items.items()
        }

    def _require_lead(self) -> None:
        if not self._leads():
            raise Lost(self._cluster.name)

    def _informer(self, kind: str) -> Informer:
        def whole(item: Manifest) -> Manifest:
            # The items of a list don't say what they are; who wrote which field is of no use here.
            metadata = {k: v for k, v in item["metadata"].items() if k != "managedFields"}
            status_less = {k: v for k, v in item.items() if k != "status"}
            version = api_version(kind)
            return {**status_less, "kind": kind, "apiVersion": version, "metadata": metadata}

        own = NAMESPACE if kind == "ServiceAccount" else None
        collection = Collection(collection_path(kind, own), SELECTOR, essence=whole, same=_same)
        return Informer(self._client, collection, self._changed)

    def _changed(self) -> None:
        self._dirty.set()

    def _everything(self) -> Iterable[Informer]:
        return (*self._informers.values(), self._namespaces)


def _batches(changes: list[Change]) -> list[list[Change]]:
    """Changes that may be done at the same time: of one kind and one sort."""
    batches: list[list[Change]] = []
    last: Any = None
    for change in changes:
        sort = change.manifest["kind"], change.verb is Verb.DELETE
        if sort != last:
            batches.append([])
            last = sort
        batches[-1].append(change)
    return batches


def _place(item: Manifest) -> LiveNamespace | None:
    """What is kept of a namespace; None: it is going away."""
    metadata = item["metadata"]
    if metadata.get("deletionTimestamp"):
        return None
    label = (metadata.get("labels") or {}).get(PROJECT_LABEL)
    return LiveNamespace(metadata["name"], metadata["uid"], label or None)


def _unplaced(found: Manifest) -> bool:
    """Whether a namespace that is there is in no project by its label."""
    return not (found["metadata"].get("labels") or {}).get(PROJECT_LABEL)


def _age(manifest: Manifest) -> float:
    """How many seconds ago an object was made, by the cluster's clock and ours."""
    made = datetime.fromisoformat(manifest["metadata"]["creationTimestamp"])
    return (datetime.now(UTC) - made).total_seconds()


def _same(one: Manifest, other: Manifest) -> bool:
    """Whether two versions of an object say the same: how much of a quota is used is no news."""
    return _said(one) == _said(other)


def _said(manifest: Manifest) -> Manifest:
    metadata = {
        key: manifest["metadata"].get(key) for key in ("labels", "deletionTimestamp", "uid")
    }
    return {**manifest, "metadata": metadata}
