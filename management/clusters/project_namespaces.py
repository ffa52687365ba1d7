"""Projects' namespaces, here and downstream: made, moved in and out, and deleted.

A namespace's place is stored, and its label says the same. What is made here is usable by the
project's people when the call returns.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from management.cluster_errors import AlreadyThere, BadRequest, DownstreamFailed
from management.cluster_records import controller_client
from management.downstream.client import ClusterClient
from management.downstream.errors import Clash, DownstreamError
from management.downstream.objects import NAMESPACE, PROJECT_LABEL, Manifest, collection_path
from management.settling import settle_with
from management.wanted.snapshot import take_snapshot
from store.access_records import Project, ProjectNamespace
from store.interfaces import Cluster, Store

_SYSTEM = ("kube-", "openshift-", "cattle-")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a namespace is now. ``pending``: what the cluster refused meanwhile; None: nothing."""

    namespace: ProjectNamespace
    pending: str | None


def checked_namespace(name: str) -> str:
    """Raise BadRequest for a namespace that isn't anybody's to give away."""
    if name == NAMESPACE:
        raise BadRequest(f"{name} is Sekisho's own")
    return name


def is_system(name: str) -> bool:
    """Whether a namespace is the cluster's own: whoever is in it has the cluster."""
    return name == NAMESPACE or name.startswith(_SYSTEM)


class ProjectNamespaces:
    """Namespaces of one cluster's projects. Raises ClusterError and StoreError."""

    def __init__(self, store: Store, cluster: Cluster) -> None:
        self._store = store
        self._cluster = cluster

    async def create(
        self,
        project: Project,
        name: str,
        *,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
        quota: Mapping[str, str],
    ) -> Placed:
        """Make a namespace in a project.

        Raises AlreadyThere where it exists, BadRequest, and DownstreamFailed.
        """
        checked_namespace(name)
        manifest: Manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {**labels, PROJECT_LABEL: project.id},
                "annotations": dict(annotations),
            },
        }
        async with _translated(self._cluster), controller_client(self._cluster) as client:
            try:
                made = await client.post(collection_path("Namespace"), manifest)
            except Clash:
                raise AlreadyThere(
                    f'there is a namespace "{name}" already; move it into the project instead'
                ) from None
            return await self._place(client, project, made, quota)

    async def current(self, name: str) -> tuple[Manifest, ProjectNamespace | None]:
        """A namespace as it is, and what is stored of that very one. Raises BadRequest."""
        async with _translated(self._cluster), controller_client(self._cluster) as client:
            found = await client.find(f"{collection_path('Namespace')}/{name}")
        if found is None or found["metadata"].get("deletionTimestamp"):
            raise BadRequest(f'there is no namespace "{name}" in the cluster')
        stored = await self._stored(name)
        uid = found["metadata"]["uid"]
        return found, stored if stored is not None and stored.uid == uid else None

    async def move(
        self, project: Project | None, found: Manifest, before: ProjectNamespace | None
    ) -> Placed:
        """Put a namespace that is there into a project, or (None) into none.

        Whoever was let in by the project before is let in no more when this returns.
        """
        name = checked_namespace(found["metadata"]["name"])
        async with _translated(self._cluster), controller_client(self._cluster) as client:
            change = {"metadata": {"labels": {PROJECT_LABEL: project.id if project else None}}}
            placed = ProjectNamespace(
                self._cluster.id,
                name,
                found["metadata"]["uid"],
                project.id if project is not None else None,
                agreed=before.agreed if before is not None else None,
                quota=before.quota if before is not None else {},
            )
            # Stored first: with what is stored, the label is put right if this ends half-way.
            await self._store.projects.put_namespace(placed)
            await client.patch(f"{collection_path('Namespace')}/{name}", change)
            agreed = replace(placed, agreed=placed.project_id)
            await self._store.projects.put_namespace(agreed)
            concerned = {placed.project_id, before.project_id if before else None} - {None}
            return await self._settled(client, agreed, sorted(filter(None, concerned)))

    async def change_quota(self, found: ProjectNamespace, quota: Mapping[str, str]) -> Placed:
        """Say what a namespace asks for of its project's quota."""
        changed = replace(found, quota=dict(quota))
        await self._store.projects.put_namespace(changed)
        async with _translated(self._cluster), controller_client(self._cluster) as client:
            return await self._settled(client, changed, [found.project_id or ""])

    async def delete(self, found: ProjectNamespace) -> None:
        """Delete a namespace with all that is in it."""
        name = checked_namespace(found.namespace)
        async with _translated(self._cluster), controller_client(self._cluster) as client:
            try:
                await client.delete(f"{collection_path('Namespace')}/{name}", found.uid)
            except Clash:
                raise BadRequest(f'"{name}" is another namespace by now; read it again') from None

    async def _place(
        self,
        client: ClusterClient,
        project: Project,
        made: Manifest,
        quota: Mapping[str, str],
    ) -> Placed:
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
        return await self._settled(client, placed, [project.id])

    async def _settled(
        self, client: ClusterClient, placed: ProjectNamespace, projects: list[str]
    ) -> Placed:
        outcome = await settle_with(
            client, await take_snapshot(self._store, self._cluster), projects
        )
        return Placed(placed, "; ".join(outcome.failed) or None)

    async def _stored(self, name: str) -> ProjectNamespace | None:
        inside = await self._store.projects.namespaces(cluster_id=self._cluster.id)
        return next((one for one in inside if one.namespace == name), None)


@asynccontextmanager
async def _translated(cluster: Cluster) -> AsyncIterator[None]:
    """What a cluster says no to, in words about it."""
    try:
        yield
    except DownstreamError as exc:
        raise DownstreamFailed(f'cluster "{cluster.name}": {exc}') from exc
