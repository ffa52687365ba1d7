"""Projects and their namespaces, in SQL."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.access_records import Binding, Project, ProjectNamespace
from store.bindings import insert_binding
from store.connections import Connections
from store.interfaces import Change, InUse, NotFound, StaleRevision
from store.tables import project_namespaces, projects, storable
from store.users import lock_user


class SqlProjects:
    """A :class:`store.access_records.Projects`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, project_id: str) -> Project | None:
        """The project with that id."""
        if not storable(project_id):
            return None
        found = await self._select(projects.c.id == project_id)
        return found[0] if found else None

    async def list_all(self, cluster_id: str | None = None) -> Sequence[Project]:
        """Every one, or those of a cluster, by name."""
        return await self._select(
            *([] if cluster_id is None else [projects.c.cluster_id == cluster_id])
        )

    async def create(self, project: Project, owner: Binding | None = None) -> None:
        """Store a new one, and who holds it. Raises Conflict and NotFound."""
        changes = [Change("project", project.id), Change("access", project.cluster_id)]
        if owner is not None and owner.user_id is not None:
            changes.append(Change("user", owner.user_id))
        async with self._connections.write(*changes) as connection:
            if owner is not None and owner.user_id is not None:
                await lock_user(connection, owner.user_id)
            await connection.execute(insert(projects).values(**_values(project)))
            if owner is not None:
                await insert_binding(connection, owner)

    async def replace(self, project: Project, *, revision: int) -> Project:
        """Store ``project`` in place of what ``revision`` was. Raises NotFound, StaleRevision."""
        new = replace(project, revision=revision + 1)
        async with self._connections.write(*_told(project)) as connection:
            same = (projects.c.id == project.id) & (projects.c.revision == revision)
            result = await connection.execute(update(projects).where(same).values(**_values(new)))
            if not result.rowcount:
                await _hold_project(connection, project.id)
                raise StaleRevision("the project was changed meanwhile")
        return new

    async def delete(self, project_id: str) -> None:
        """Raises NotFound and InUse. Roles held in it end with it."""
        project = await self.get(project_id)
        if project is None:
            raise NotFound(f"there is no project {project_id}")
        # Whose roles end isn't looked up: everybody's are read again.
        async with self._connections.write(*_told(project), Change("group")) as connection:
            await _hold_project(connection, project_id, alone=True)
            inside = select(project_namespaces.c.namespace).where(
                project_namespaces.c.project_id == project_id
            )
            names = [row.namespace for row in await connection.execute(inside.limit(5))]
            if names:
                raise InUse(f"the project has namespaces: {', '.join(sorted(names))}")
            await connection.execute(delete(projects).where(projects.c.id == project_id))

    async def namespaces(
        self, *, cluster_id: str | None = None, project_ids: Sequence[str] | None = None
    ) -> Sequence[ProjectNamespace]:
        """Namespaces that are, or were, in a project, by name."""
        where: list[ColumnElement[bool]] = []
        if cluster_id is not None:
            where.append(project_namespaces.c.cluster_id == cluster_id)
        if project_ids is not None:
            where.append(project_namespaces.c.project_id.in_(project_ids))
        async with self._connections.read() as connection:
            return await select_namespaces(connection, *where)

    async def put_namespace(self, namespace: ProjectNamespace) -> None:
        """Say where a namespace belongs. Raises NotFound where there is no such project."""
        same = _same(namespace.cluster_id, namespace.namespace)
        before = await self._project_of(namespace.cluster_id, namespace.namespace)
        concerned = {before, namespace.project_id} - {None}
        changes = [Change("project", one) for one in sorted(filter(None, concerned))]
        async with self._connections.write(
            *changes, Change("access", namespace.cluster_id)
        ) as connection:
            if namespace.project_id is not None:
                await _hold_project(connection, namespace.project_id, namespace.cluster_id)
            await connection.execute(delete(project_namespaces).where(same))
            await connection.execute(insert(project_namespaces).values(**asdict(namespace)))

    async def drop_namespace(self, cluster_id: str, namespace: str, uid: str | None = None) -> None:
        """Forget one (with ``uid``: only that very one)."""
        where = [_same(cluster_id, namespace)]
        if uid is not None:
            where.append(project_namespaces.c.uid == uid)
        before = await self._project_of(cluster_id, namespace)
        changes = [Change("access", cluster_id)] + ([Change("project", before)] if before else [])
        async with self._connections.write(*changes) as connection:
            await connection.execute(delete(project_namespaces).where(*where))

    async def _project_of(self, cluster_id: str, namespace: str) -> str | None:
        wanted = select(project_namespaces.c.project_id).where(_same(cluster_id, namespace))
        async with self._connections.read() as connection:
            found: str | None = (await connection.execute(wanted)).scalar_one_or_none()
            return found

    async def _select(self, *where: ColumnElement[bool]) -> list[Project]:
        wanted = select(projects).where(*where).order_by(projects.c.name, projects.c.id)
        async with self._connections.read() as connection:
            return [Project(**row._mapping) for row in await connection.execute(wanted)]


async def select_namespaces(
    connection: AsyncConnection, *where: ColumnElement[bool]
) -> list[ProjectNamespace]:
    """Namespaces, by name."""
    wanted = select(project_namespaces).where(*where).order_by(project_namespaces.c.namespace)
    return [ProjectNamespace(**row._mapping) for row in await connection.execute(wanted)]


def _same(cluster_id: str, namespace: str) -> ColumnElement[bool]:
    return (project_namespaces.c.cluster_id == cluster_id) & (
        project_namespaces.c.namespace == namespace
    )


def _told(project: Project) -> list[Change]:
    return [Change("project", project.id), Change("access", project.cluster_id)]


async def _hold_project(
    connection: AsyncConnection,
    project_id: str,
    cluster_id: str | None = None,
    *,
    alone: bool = False,
) -> None:
    """Keep the project there until the transaction ends. Raises NotFound."""
    wanted = select(projects.c.id).where(projects.c.id == project_id)
    if cluster_id is not None:
        wanted = wanted.where(projects.c.cluster_id == cluster_id)
    held = wanted.with_for_update(read=not alone, key_share=not alone)
    if not storable(project_id) or (await connection.execute(held)).first() is None:
        raise NotFound(f"there is no project {project_id}")


def _values(project: Project) -> dict[str, Any]:
    values = asdict(project)
    for name in ("quota", "namespace_quota"):
        values[name] = dict(values[name])
    return values
