"""Role bindings, in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.access_interfaces import Taking
from store.access_records import Binding
from store.administrators import one_is_left
from store.connections import Database
from store.errors import RecordNotFound
from store.pieces import in_pieces
from store.records import Change
from store.standing import binding_of, held_by, lock_user
from store.tables import bindings, clusters, is_storable, memberships, projects


class SqlBindings:
    """A :class:`store.access_interfaces.Bindings`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def get(self, binding_id: str) -> Binding | None:
        """Return the binding with that id."""
        if not is_storable(binding_id):
            return None
        found = await self._select(bindings.c.id == binding_id)
        return found[0] if found else None

    async def of_subjects(self, user_id: str, groups: Sequence[str]) -> Sequence[Binding]:
        """Return the bindings of a user and of ``groups``."""
        async with self._connections.read() as connection:
            return await held_by(connection, user_id, groups)

    async def overall(self) -> Sequence[Binding]:
        """Return the global bindings."""
        return await self._select(bindings.c.target == "")

    async def in_cluster(self, cluster_id: str) -> Sequence[Binding]:
        """Return the bindings in a cluster and in its projects."""
        return await self._select(bindings.c.cluster_id == cluster_id)

    async def everywhere(self) -> Sequence[Binding]:
        """Return every binding."""
        return await self._select()

    async def create(
        self,
        binding: Binding,
        *,
        instead: bool = False,
        relabel: bool = False,
        check: Taking | None = None,
    ) -> Binding:
        """Store a binding, or return the existing equal one. Raises RecordNotFound."""
        same = (bindings.c.target == binding.target) & (bindings.c.subject == binding.subject)
        async with self._connections.write(*changes_of(binding)) as connection:
            await _hold_target(connection, binding)
            if binding.user_id is not None:
                await lock_user(connection, binding.user_id)
            wanted = select(bindings).where(same, bindings.c.role_id == binding.role_id)
            there = (await connection.execute(wanted)).one_or_none()
            if instead:
                await _take(connection, same & (bindings.c.role_id != binding.role_id), check)
            if there is not None:
                return await _existing(connection, there, binding.labels if relabel else None)
            await insert_binding(connection, binding)
        return binding

    async def delete(self, binding_id: str) -> bool:
        """Delete a binding. Return False if it does not exist. Raises LastAdministrator."""
        found = await self.get(binding_id)
        if found is None:
            return False
        async with self._connections.write(*changes_of(found)) as connection:
            async with one_is_left(connection):
                result = await connection.execute(
                    delete(bindings).where(bindings.c.id == binding_id)
                )
            return bool(result.rowcount)

    async def delete_of(
        self,
        target: str,
        subject: str,
        *,
        role_id: str | None = None,
        check: Taking | None = None,
    ) -> int:
        """Delete a subject's bindings in a target. Raises LastAdministrator."""
        if not is_storable(subject):
            return 0
        same = (bindings.c.target == target) & (bindings.c.subject == subject)
        if role_id is not None:
            same &= bindings.c.role_id == role_id
        found = await self._select(same)
        if not found:
            return 0
        async with self._connections.write(*changes_of(found[0])) as connection:
            return await _take(connection, same, check)

    async def is_known_group(self, group_id: str) -> bool:
        """Return whether a user is in that group, or a binding names it."""
        if not is_storable(group_id):
            return False
        wanted = select(
            or_(
                exists().where(memberships.c.id == group_id),
                exists().where(bindings.c.group_id == group_id),
            )
        )
        async with self._connections.read() as connection:
            return bool((await connection.execute(wanted)).scalar_one())

    async def _select(self, *where: ColumnElement[bool]) -> list[Binding]:
        wanted = select(bindings).where(*where).order_by(bindings.c.created_at, bindings.c.id)
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return [_binding(row) async for row in in_pieces(rows)]


async def _take(
    connection: AsyncConnection, where: ColumnElement[bool], check: Taking | None
) -> int:
    """Delete bindings that ``check`` allows to delete, and no binding that was added after it."""
    found = [_binding(row) for row in await connection.execute(select(bindings).where(where))]
    if check is not None:
        check(found)
    ids = [one.id for one in found]
    async with one_is_left(connection):
        result = await connection.execute(delete(bindings).where(bindings.c.id.in_(ids)))
    return int(result.rowcount)


async def _existing(
    connection: AsyncConnection, row: Any, labels: Mapping[str, str] | None
) -> Binding:
    """Return the binding of a row, with ``labels`` if they are given."""
    found = _binding(row)
    if labels is None or labels == found.labels:
        return found
    await connection.execute(
        update(bindings).where(bindings.c.id == found.id).values(labels=dict(labels))
    )
    return replace(found, labels=labels)


async def insert_binding(connection: AsyncConnection, binding: Binding) -> None:
    """Store a new binding in the caller's transaction."""
    values = {**asdict(binding), "subject": binding.subject, "target": binding.target}
    await connection.execute(insert(bindings).values(**values))


def changes_of(binding: Binding) -> list[Change]:
    """Return the changes to announce: subjects and targets of bindings."""
    subject = Change("user" if binding.user_id else "group", binding.subject)
    return [subject, Change("access", binding.cluster_id)] if binding.cluster_id else [subject]


async def _hold_target(connection: AsyncConnection, binding: Binding) -> None:
    """Lock the target against deletion. Raises RecordNotFound."""
    if binding.project_id is not None:
        inside = projects.c.cluster_id == binding.cluster_id
        wanted = select(projects.c.id).where(projects.c.id == binding.project_id, inside)
    elif binding.cluster_id is not None:
        wanted = select(clusters.c.id).where(clusters.c.id == binding.cluster_id)
    else:
        return
    held = wanted.with_for_update(read=True, key_share=True)
    if not is_storable(binding.target) or (await connection.execute(held)).first() is None:
        raise RecordNotFound(f"there is no {binding.target}")


def _binding(row: Any) -> Binding:
    return binding_of(row._mapping)
