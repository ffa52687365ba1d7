"""Who holds which role, in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.access_records import Binding
from store.administrators import one_is_left
from store.connections import Connections
from store.interfaces import Change, NotFound
from store.tables import bindings, clusters, memberships, projects, storable
from store.users import lock_user


class SqlBindings:
    """A :class:`store.access_records.Bindings`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, binding_id: str) -> Binding | None:
        """The binding with that id."""
        if not storable(binding_id):
            return None
        found = await self._select(bindings.c.id == binding_id)
        return found[0] if found else None

    async def of_subjects(self, user_id: str, groups: Sequence[str]) -> Sequence[Binding]:
        """What a user holds, also as a member of ``groups``."""
        async with self._connections.read() as connection:
            return await held_by(connection, user_id, groups)

    async def overall(self) -> Sequence[Binding]:
        """Those in Sekisho itself."""
        return await self._select(bindings.c.target == "")

    async def in_cluster(self, cluster_id: str) -> Sequence[Binding]:
        """Those in a cluster and in its projects."""
        return await self._select(bindings.c.cluster_id == cluster_id)

    async def everywhere(self) -> Sequence[Binding]:
        """Every binding."""
        return await self._select()

    async def create(self, binding: Binding, *, instead: bool = False) -> Binding:
        """Store it, or return the one there is that says the same. Raises NotFound."""
        same = (bindings.c.target == binding.target) & (bindings.c.subject == binding.subject)
        async with self._connections.write(*_changes(binding)) as connection:
            await _hold_target(connection, binding)
            if binding.user_id is not None:
                await lock_user(connection, binding.user_id)
            wanted = select(bindings).where(same, bindings.c.role_id == binding.role_id)
            there = (await connection.execute(wanted)).one_or_none()
            if instead:
                async with one_is_left(connection):
                    await connection.execute(
                        delete(bindings).where(same, bindings.c.role_id != binding.role_id)
                    )
            if there is not None:
                return _binding(there)
            await insert_binding(connection, binding)
        return binding

    async def delete(self, binding_id: str) -> bool:
        """Take it away; False where there is none. Raises LastAdministrator."""
        found = await self.get(binding_id)
        if found is None:
            return False
        async with self._connections.write(*_changes(found)) as connection:
            async with one_is_left(connection):
                result = await connection.execute(
                    delete(bindings).where(bindings.c.id == binding_id)
                )
            return bool(result.rowcount)

    async def delete_of(self, target: str, subject: str) -> int:
        """Take away all that a subject holds in a target. Raises LastAdministrator."""
        if not storable(subject):
            return 0
        same = (bindings.c.target == target) & (bindings.c.subject == subject)
        found = await self._select(same)
        if not found:
            return 0
        async with self._connections.write(*_changes(found[0])) as connection:
            async with one_is_left(connection):
                result = await connection.execute(delete(bindings).where(same))
            return int(result.rowcount)

    async def is_known_group(self, group_id: str) -> bool:
        """Whether somebody is in that group, or some binding names it."""
        if not storable(group_id):
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
            return [_binding(row) for row in await connection.execute(wanted)]


async def held_by(
    connection: AsyncConnection, user_id: str, groups: Sequence[str]
) -> list[Binding]:
    """What a user holds, also as a member of ``groups``."""
    wanted = select(bindings).where(
        or_(bindings.c.user_id == user_id, bindings.c.group_id.in_(groups))
    )
    return [_binding(row) for row in await connection.execute(wanted.order_by(bindings.c.id))]


async def insert_binding(connection: AsyncConnection, binding: Binding) -> None:
    """Store a new binding, in somebody else's transaction."""
    values = {**asdict(binding), "subject": binding.subject, "target": binding.target}
    await connection.execute(insert(bindings).values(**values))


def _changes(binding: Binding) -> list[Change]:
    """What to announce: whose roles they are, and where."""
    subject = Change("user" if binding.user_id else "group", binding.subject)
    return [subject, Change("access", binding.cluster_id)] if binding.cluster_id else [subject]


async def _hold_target(connection: AsyncConnection, binding: Binding) -> None:
    """Keep what the role is held in from being deleted meanwhile. Raises NotFound."""
    if binding.project_id is not None:
        inside = projects.c.cluster_id == binding.cluster_id
        wanted = select(projects.c.id).where(projects.c.id == binding.project_id, inside)
    elif binding.cluster_id is not None:
        wanted = select(clusters.c.id).where(clusters.c.id == binding.cluster_id)
    else:
        return
    held = wanted.with_for_update(read=True, key_share=True)
    if not storable(binding.target) or (await connection.execute(held)).first() is None:
        raise NotFound(f"there is no {binding.target}")


def _binding(row: Any) -> Binding:
    return binding_of(row._mapping)


def binding_of(values: Mapping[str, Any]) -> Binding:
    """A row of bindings."""
    return Binding(**{key: values[key] for key in values if key not in {"subject", "target"}})
