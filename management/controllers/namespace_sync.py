"""Make the project labels of a cluster's namespaces and the store agree.

:mod:`.namespace_assignment` plans the steps; this module observes the namespaces and takes them.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from config.loggers import get_logger
from management.controllers.informer import Collection, Informer
from management.controllers.leader_election import Leadership
from management.controllers.namespace_assignment import (
    ForgetNamespace,
    LiveNamespace,
    RecordNamespace,
    RelabelNamespace,
    Step,
    namespace_of,
    plan,
)
from management.controllers.outage import is_outage
from management.controllers.timing import InformerTiming
from management.desired_state.apply import ApplyResult
from management.desired_state.snapshot import Snapshot
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import (
    ApiConflict,
    ApiForbidden,
    ApiNotFound,
    ApiRequestFailed,
    ClusterApiError,
)
from management.kubernetes.manifests import PROJECT_LABEL, Manifest, collection_path
from management.kubernetes.validation import uid_of
from store.access_records import ProjectNamespace
from store.errors import RecordNotFound, StoreError
from store.interfaces import Store
from store.records import Cluster

_LOG = get_logger(__name__)


class NamespaceSync:
    """The namespaces of one cluster, and their projects. ``writes`` counts changed labels."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        client: ClusterClient,
        leadership: Leadership,
        changed: Callable[[], None],
        timing: InformerTiming,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._leadership = leadership
        collection = Collection(collection_path("Namespace"), projection=_live_namespace)
        self.informer = Informer(client, collection, changed, timing)
        self.writes = 0

    @property
    def live(self) -> dict[str, LiveNamespace]:
        """Return the namespaces that are not being deleted, by name."""
        return {one.name: one for one in self.informer.items.values() if one is not None}

    async def run(self, snapshot: Snapshot, *, labels_trusted: bool, result: ApplyResult) -> bool:
        """Make labels and store agree. Return whether anything had to be done.

        If a step fails, the remaining steps for that namespace are skipped. An outage of the
        cluster ends all.

        Raises:
            LeadershipLost: another replica leads the cluster now.
            ClusterApiError, StoreError: the state before could not be read.
        """
        live = self.live
        steps = plan(
            self._cluster.id,
            live,
            snapshot.namespaces,
            snapshot.projects,
            labels_trusted=labels_trusted,
            former=await self._former(live, snapshot),
        )
        failed: set[str] = set()
        for step in steps:
            self._leadership.require()
            name = namespace_of(step)
            if name in failed:
                continue
            error = await self._try(step)
            if error is not None:
                failed.add(name)
                result.failed.append(f"namespace {name}: {error}")
                if await is_outage(self._client, error):
                    result.unreachable = True
                    break
        return bool(steps)

    async def _former(
        self, live: dict[str, LiveNamespace], snapshot: Snapshot
    ) -> Sequence[ProjectNamespace]:
        """Return deleted namespaces, if a namespace with a label may be one of them, restored."""
        known = {one.namespace for one in snapshot.namespaces}
        if all(one.label is None or one.name in known for one in live.values()):
            return ()
        return await self._store.projects.former_namespaces(self._cluster.id)

    async def _try(self, step: Step) -> Exception | None:
        """Take a step and return its error. Undo a move that the cluster rejects."""
        try:
            await self._take(step)
        except ApiNotFound:
            return None  # The namespace has just been deleted; its watch reports that.
        except (ClusterApiError, StoreError) as exc:
            if isinstance(step, RelabelNamespace) and step.undo is not None and _is_rejection(exc):
                await self._undo(step.undo, exc)
            return exc
        return None

    async def _take(self, step: Step) -> None:
        projects = self._store.projects
        if isinstance(step, RecordNamespace):
            try:
                await projects.put_namespace(step.namespace, keep_quota=True)
            except RecordNotFound:
                return  # The project has just been deleted; the store reports that.
        elif isinstance(step, ForgetNamespace):
            name, uid = step.namespace.namespace, step.namespace.uid
            left = await self._left(name, uid)
            if left is not None:
                gone = left == "cluster"
                await projects.drop_namespace(self._cluster.id, name, uid, gone=gone)
        else:
            await self._relabel(step)

    async def _left(self, name: str, uid: str) -> Literal["cluster", "project"] | None:
        """Return what a namespace has left; None: nothing.

        The cluster is queried, since the informer may not know a new namespace yet.
        """
        found = await self._client.find(f"{collection_path('Namespace')}/{name}")
        if found is None or found["metadata"]["uid"] != uid:
            return "cluster"
        if found["metadata"].get("deletionTimestamp"):
            return "cluster"
        return None if _project_label(found) else "project"

    async def _relabel(self, step: RelabelNamespace) -> None:
        metadata = {"uid": step.uid, "labels": {PROJECT_LABEL: step.project_id}}
        path = f"{collection_path('Namespace')}/{step.name}"
        self.writes += 1
        self.informer.put(await self._client.patch(path, {"metadata": metadata}))

    async def _undo(self, before: ProjectNamespace, error: Exception) -> None:
        """Store where a namespace was before a move that the cluster rejects."""
        _LOG.warning(
            "namespace move undone: the cluster rejects it",
            cluster=self._cluster.name,
            namespace=before.namespace,
            error=str(error),
        )
        projects = self._store.projects
        try:
            if before.project_id is None:
                await projects.drop_namespace(before.cluster_id, before.namespace, before.uid)
            else:
                await projects.put_namespace(before)
        except StoreError as exc:
            _LOG.warning("namespace move not undone yet", error=str(exc))


def _is_rejection(error: Exception) -> bool:
    """Return whether the cluster rejected the change itself, and would do so again."""
    if isinstance(error, ApiForbidden):
        return error.status == 403
    return isinstance(error, ApiRequestFailed) and not isinstance(error, ApiConflict)


def _live_namespace(item: Manifest) -> LiveNamespace | None:
    """Return what is cached of a namespace; None: it is being deleted."""
    metadata = item["metadata"]
    if metadata.get("deletionTimestamp"):
        return None
    return LiveNamespace(metadata["name"], uid_of(item), _project_label(item))


def _project_label(item: Manifest) -> str | None:
    """Return the id of the project that a namespace's label names, or None."""
    return (item["metadata"].get("labels") or {}).get(PROJECT_LABEL) or None
