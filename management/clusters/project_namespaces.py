"""Create, move and delete the namespaces of projects.

The project of a namespace is in the store and in the namespace's label. A namespace is usable by
the project's members when the call returns.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from management.clusters.operation_errors import cluster_operation
from management.desired_state.quota_checks import below_use, shrunk
from management.desired_state.snapshot import take_snapshot
from management.desired_state.sync import reconcile_with
from management.errors import AlreadyExists, InvalidRequest
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import ApiConflict, ApiUnreachable, ClusterApiError
from management.kubernetes.manifests import (
    NAMESPACE,
    PROJECT_LABEL,
    SELECTOR,
    Manifest,
    collection_path,
)
from store.access_records import Project, ProjectNamespace
from store.interfaces import Store
from store.records import Cluster


@dataclass(frozen=True, slots=True)
class PlacementResult:
    """The project of a namespace. ``pending``: why the cluster is not in sync yet, or None."""

    namespace: ProjectNamespace
    pending: str | None


def checked_namespace(name: str) -> str:
    """Return the name. Raises InvalidRequest for Sekisho's own namespace."""
    if name == NAMESPACE:
        raise InvalidRequest(f"{name} is Sekisho's own")
    return name


class ProjectNamespaces:
    """Namespaces of one cluster's projects. Raises ManagementError and StoreError."""

    def __init__(self, store: Store, cluster: Cluster) -> None:
        self._store = store
        self._cluster = cluster

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[ClusterClient]:
        """Open a client whose errors are raised as ClusterOperationFailed."""
        async with (
            cluster_operation(self._cluster.name),
            controller_client(self._cluster) as client,
        ):
            yield client

    async def create(
        self,
        project: Project,
        name: str,
        *,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
        quota: Mapping[str, str],
    ) -> PlacementResult:
        """Create a namespace in a project.

        Raises:
            AlreadyExists: the namespace exists.
            InvalidRequest: the name or the quota is not allowed.
            ClusterOperationFailed: the cluster rejects it or does not respond.
        """
        checked_namespace(name)
        candidate = ProjectNamespace(self._cluster.id, name, "", project.id, quota=dict(quota))
        manifest: Manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {**labels, PROJECT_LABEL: project.id},
                "annotations": dict(annotations),
            },
        }
        async with self._connect() as client:
            await self._check_use(client, project, candidate)
            try:
                made = await client.create(collection_path("Namespace"), manifest)
            except ApiConflict:
                raise AlreadyExists(
                    f'there is a namespace "{name}" already; move it into the project instead'
                ) from None
            return await self._place(client, project, made, quota)

    async def current(self, name: str) -> tuple[Manifest, ProjectNamespace | None]:
        """Return a namespace and its stored record. Raises InvalidRequest if it does not exist.

        A record with another uid belongs to a deleted namespace with the same name.
        """
        async with self._connect() as client:
            found = await client.find(f"{collection_path('Namespace')}/{name}")
        if found is None or found["metadata"].get("deletionTimestamp"):
            raise InvalidRequest(f'there is no namespace "{name}" in the cluster')
        stored = await self._stored(name)
        uid = found["metadata"]["uid"]
        return found, stored if stored is not None and stored.uid == uid else None

    async def move(
        self, project: Project | None, found: Manifest, before: ProjectNamespace | None
    ) -> PlacementResult:
        """Move an existing namespace into a project, or (None) out of its project.

        Access through the previous project has ended when the call returns, unless the move is
        pending: then the cluster did not respond, and the controllers complete it. If the cluster
        rejects the move, the store is restored.
        """
        name = checked_namespace(found["metadata"]["name"])
        uid = found["metadata"]["uid"]
        async with self._connect() as client:
            placed = ProjectNamespace(
                self._cluster.id,
                name,
                uid,
                project.id if project is not None else None,
                agreed=before.agreed if before is not None else None,
                quota=before.quota if before is not None else {},
            )
            if project is not None and (before is None or before.project_id != project.id):
                await self._check_use(client, project, placed)
            # Stored first: after a failure in between, the controllers repair the label.
            await self._store.projects.put_namespace(placed)
            labels = {PROJECT_LABEL: placed.project_id}
            change = {"metadata": {"uid": uid, "labels": labels}}
            try:
                await client.patch(f"{collection_path('Namespace')}/{name}", change)
            except ApiUnreachable as exc:
                return PlacementResult(placed, str(exc))
            except ClusterApiError:
                await self._undo(placed, before)
                raise
            agreed = replace(placed, agreed=placed.project_id)
            await self._store.projects.put_namespace(agreed)
            concerned = {placed.project_id, before.project_id if before else None} - {None}
            return await self._reconcile(client, agreed, sorted(filter(None, concerned)))

    async def _undo(self, placed: ProjectNamespace, before: ProjectNamespace | None) -> None:
        """Restore the record before a move that the cluster rejected."""
        if await self._stored(placed.namespace) != placed:
            return  # Another move has been stored since.
        if before is not None:
            await self._store.projects.put_namespace(before)
        else:
            await self._store.projects.drop_namespace(
                placed.cluster_id, placed.namespace, placed.uid
            )

    async def _check_use(
        self, client: ClusterClient, project: Project, candidate: ProjectNamespace
    ) -> None:
        """Raise InvalidRequest if a new namespace would reduce other quotas below their use."""
        inside = await self._store.projects.namespaces(project_ids=[project.id])
        reduced = shrunk(project, inside, candidate)
        if not reduced:
            return
        selector = f"{SELECTOR},{PROJECT_LABEL}={project.id}"
        quotas, _ = await client.list_all(collection_path("ResourceQuota"), selector)
        used = {
            one["metadata"].get("namespace", ""): (one.get("status") or {}).get("used") or {}
            for one in quotas
        }
        taken = list(below_use(reduced, used))
        if taken:
            raise InvalidRequest(
                f"quota: the project's is shared equally, and {'; '.join(taken[:3])}: raise the "
                "project's quota, or give the namespaces that use less a quota of their own"
            )

    async def change_quota(
        self, found: ProjectNamespace, quota: Mapping[str, str]
    ) -> PlacementResult:
        """Store the quota that a namespace requests, and reconcile its project."""
        changed = replace(found, quota=dict(quota))
        await self._store.projects.put_namespace(changed)
        async with self._connect() as client:
            return await self._reconcile(client, changed, [found.project_id or ""])

    async def delete(self, found: ProjectNamespace) -> None:
        """Delete a namespace with all its content."""
        name = checked_namespace(found.namespace)
        async with self._connect() as client:
            try:
                await client.delete(f"{collection_path('Namespace')}/{name}", found.uid)
            except ApiConflict:
                raise InvalidRequest(
                    f'"{name}" is another namespace by now; read it again'
                ) from None

    async def _place(
        self,
        client: ClusterClient,
        project: Project,
        made: Manifest,
        quota: Mapping[str, str],
    ) -> PlacementResult:
        metadata = made["metadata"]
        placed = ProjectNamespace(
            self._cluster.id,
            metadata["name"],
            metadata["uid"],
            project.id,
            agreed=project.id,
            quota=dict(quota),
        )
        await self._store.projects.put_namespace(placed)
        return await self._reconcile(client, placed, [project.id])

    async def _reconcile(
        self, client: ClusterClient, placed: ProjectNamespace, projects: list[str]
    ) -> PlacementResult:
        snapshot = await take_snapshot(self._store, self._cluster)
        try:
            result = await reconcile_with(client, snapshot, projects)
        except ClusterApiError as exc:
            # The namespace itself is changed. The controllers do the rest.
            return PlacementResult(placed, str(exc))
        return PlacementResult(placed, "; ".join(result.failed) or None)

    async def _stored(self, name: str) -> ProjectNamespace | None:
        inside = await self._store.projects.namespaces(cluster_id=self._cluster.id)
        return next((one for one in inside if one.namespace == name), None)
