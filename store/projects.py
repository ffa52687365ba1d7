"""Projects and their namespaces, in SQL."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Executable, case, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.access_records import Binding, Project, ProjectNamespace
from store.bindings import insert_binding
from store.connections import Database
from store.errors import InUse, RecordNotFound, StaleRevision
from store.inserts import insert_or
from store.pieces import in_pieces
from store.records import Change
from store.standing import lock_user
from store.tables import former_namespaces, is_storable, project_namespaces, projects

REMEMBERED = timedelta(days=90)
"""How long former namespaces are kept: about as long as backups."""


class SqlProjects:
    """A :class:`store.access_interfaces.Projects`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def get(self, project_id: str) -> Project | None:
        """Return the project with that id."""
        if not is_storable(project_id):
            return None
        found = await self._select(projects.c.id == project_id)
        return found[0] if found else None

    async def list_all(self, cluster_id: str | None = None) -> Sequence[Project]:
        """Return every project, or those of a cluster, ordered by name."""
        return await self._select(
            *([] if cluster_id is None else [projects.c.cluster_id == cluster_id])
        )

    async def create(self, project: Project, owner: Binding | None = None) -> None:
        """Store a project and its owner. Raises Conflict and RecordNotFound."""
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
        """Replace the project with ``revision``. Raises RecordNotFound and StaleRevision."""
        new = replace(project, revision=revision + 1)
        async with self._connections.write(*_changes_of(project)) as connection:
            same = (projects.c.id == project.id) & (projects.c.revision == revision)
            result = await connection.execute(update(projects).where(same).values(**_values(new)))
            if not result.rowcount:
                await _hold_project(connection, project.id)
                raise StaleRevision("the project was changed meanwhile")
        return new

    async def delete(self, project_id: str) -> None:
        """Delete a project with its bindings. Raises RecordNotFound and InUse."""
        project = await self.get(project_id)
        if project is None:
            raise RecordNotFound(f"there is no project {project_id}")
        # All users are announced, because the holders of the bindings are not read.
        async with self._connections.write(*_changes_of(project), Change("group")) as connection:
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
        """Return namespaces that are, or were, in a project, ordered by name."""
        where: list[ColumnElement[bool]] = []
        if cluster_id is not None:
            where.append(project_namespaces.c.cluster_id == cluster_id)
        if project_ids is not None:
            where.append(project_namespaces.c.project_id.in_(project_ids))
        async with self._connections.read() as connection:
            return await select_namespaces(connection, *where)

    async def put_namespace(self, namespace: ProjectNamespace, *, keep_quota: bool = False) -> None:
        """Assign a namespace to a project. Raises RecordNotFound if that does not exist."""
        before = await self._project_of(namespace.cluster_id, namespace.namespace)
        concerned = {before, namespace.project_id} - {None}
        changes = [Change("project", one) for one in sorted(filter(None, concerned))]
        async with self._connections.write(
            *changes, Change("access", namespace.cluster_id)
        ) as connection:
            if namespace.project_id is not None:
                await _hold_project(connection, namespace.project_id, namespace.cluster_id)
            await connection.execute(_put(connection, namespace, keep_quota=keep_quota))

    async def drop_namespace(
        self, cluster_id: str, namespace: str, uid: str | None = None, *, gone: bool = False
    ) -> None:
        """Delete a namespace (with ``uid``: only that one). ``gone``: keep it as a former one."""
        where = [_same(cluster_id, namespace)]
        if uid is not None:
            where.append(project_namespaces.c.uid == uid)
        before = await self._project_of(cluster_id, namespace)
        changes = [Change("access", cluster_id)] + ([Change("project", before)] if before else [])
        async with self._connections.write(*changes) as connection:
            if gone:
                await _remember(connection, *where)
            await connection.execute(delete(project_namespaces).where(*where))

    async def former_namespaces(self, cluster_id: str) -> Sequence[ProjectNamespace]:
        """Return namespaces that were in a project when they were deleted, with an empty uid."""
        wanted = select(former_namespaces).where(
            former_namespaces.c.cluster_id == cluster_id,
            former_namespaces.c.gone_at > datetime.now(UTC) - REMEMBERED,
        )
        async with self._connections.read() as connection:
            return [
                ProjectNamespace(
                    row.cluster_id, row.namespace, "", row.project_id, row.project_id, row.quota
                )
                for row in await connection.execute(wanted)
            ]

    async def _project_of(self, cluster_id: str, namespace: str) -> str | None:
        wanted = select(project_namespaces.c.project_id).where(_same(cluster_id, namespace))
        async with self._connections.read() as connection:
            found: str | None = (await connection.execute(wanted)).scalar_one_or_none()
            return found

    async def _select(self, *where: ColumnElement[bool]) -> list[Project]:
        wanted = select(projects).where(*where).order_by(projects.c.name, projects.c.id)
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return [Project(**row._mapping) async for row in in_pieces(rows)]


async def select_namespaces(
    connection: AsyncConnection, *where: ColumnElement[bool]
) -> list[ProjectNamespace]:
    """Return namespaces, ordered by name."""
    wanted = select(project_namespaces).where(*where).order_by(project_namespaces.c.namespace)
    rows = await connection.execute(wanted)
    return [ProjectNamespace(**row._mapping) async for row in in_pieces(rows)]


async def _remember(connection: AsyncConnection, *where: ColumnElement[bool]) -> None:
    """Store namespaces that are to be deleted as former ones, and delete the oldest."""
    now = datetime.now(UTC)
    for one in await select_namespaces(connection, *where):
        same = (former_namespaces.c.cluster_id == one.cluster_id) & (
            former_namespaces.c.namespace == one.namespace
        )
        old = (former_namespaces.c.cluster_id == one.cluster_id) & (
            former_namespaces.c.gone_at <= now - REMEMBERED
        )
        await connection.execute(delete(former_namespaces).where(same | old))
        if one.project_id is not None:
            await connection.execute(
                insert(former_namespaces).values(
                    cluster_id=one.cluster_id,
                    namespace=one.namespace,
                    project_id=one.project_id,
                    quota=dict(one.quota),
                    gone_at=now,
                )
            )


def _put(
    connection: AsyncConnection, namespace: ProjectNamespace, *, keep_quota: bool
) -> Executable:
    """Return the statement that stores a namespace.

    It is one statement, so that nothing that another replica stores meanwhile is lost.
    """
    values = asdict(namespace) | {"joined_at": datetime.now(UTC)}
    statement = insert_or(connection, project_namespaces).values(**values)
    now, wanted = project_namespaces.c, statement.excluded
    same_project = now.project_id.is_not_distinct_from(wanted.project_id)
    changed = {name: wanted[name] for name in ("uid", "project_id", "agreed", "quota")}
    changed["joined_at"] = case((same_project, now.joined_at), else_=wanted.joined_at)
    if keep_quota:
        same = same_project & (now.uid == wanted.uid)
        changed["quota"] = case((same, now.quota), else_=wanted.quota)
    key = (now.cluster_id, now.namespace)
    stored: Executable = statement.on_conflict_do_update(index_elements=key, set_=changed)
    return stored


def _same(cluster_id: str, namespace: str) -> ColumnElement[bool]:
    return (project_namespaces.c.cluster_id == cluster_id) & (
        project_namespaces.c.namespace == namespace
    )


def _changes_of(project: Project) -> list[Change]:
    return [Change("project", project.id), Change("access", project.cluster_id)]


async def _hold_project(
    connection: AsyncConnection,
    project_id: str,
    cluster_id: str | None = None,
    *,
    alone: bool = False,
) -> None:
    """Lock the project against deletion until the transaction ends. Raises RecordNotFound."""
    wanted = select(projects.c.id).where(projects.c.id == project_id)
    if cluster_id is not None:
        wanted = wanted.where(projects.c.cluster_id == cluster_id)
    held = wanted.with_for_update(read=not alone, key_share=not alone)
    if not is_storable(project_id) or (await connection.execute(held)).first() is None:
        raise RecordNotFound(f"there is no project {project_id}")


def _values(project: Project) -> dict[str, Any]:
    values = asdict(project)
    for name in ("quota", "namespace_quota", "labels"):
        values[name] = dict(values[name])
    return values
