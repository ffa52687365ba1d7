"""Custom roles, in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.access_records import PolicyRule, Role
from store.connections import Database
from store.errors import InUse, RecordNotFound, StaleRevision
from store.records import Change
from store.tables import bindings, is_storable, roles

_LISTS = ("permissions", "cluster_roles", "inherits")


class SqlRoles:
    """A :class:`store.access_interfaces.Roles`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def list_all(self) -> Sequence[Role]:
        """Return every custom role, ordered by scope and name."""
        async with self._connections.read() as connection:
            return await every_role(connection)

    async def create(self, role: Role) -> None:
        """Store a new record. Raises Conflict."""
        async with self._connections.write(Change("role", role.id)) as connection:
            await connection.execute(insert(roles).values(**_values(role)))

    async def replace(self, role: Role, *, revision: int) -> Role:
        """Replace the role with ``revision``. Raises RecordNotFound and StaleRevision."""
        new = replace(role, revision=revision + 1)
        async with self._connections.write(Change("role", role.id)) as connection:
            same = (roles.c.id == role.id) & (roles.c.revision == revision)
            result = await connection.execute(update(roles).where(same).values(**_values(new)))
            if not result.rowcount:
                raise await _missed(connection, role.id)
        return new

    async def delete(self, role_id: str, *, revision: int | None = None) -> None:
        """Delete a role. Raises RecordNotFound, StaleRevision and InUse."""
        async with self._connections.write(Change("role", role_id)) as connection:
            if not is_storable(role_id):
                raise RecordNotFound(f"there is no role {role_id}")
            same = roles.c.id == role_id
            if revision is not None:
                same &= roles.c.revision == revision
            result = await connection.execute(delete(roles).where(same))
            if not result.rowcount:
                raise await _missed(connection, role_id)
            held = select(bindings.c.id).where(bindings.c.role_id == role_id).limit(1)
            if (await connection.execute(held)).first() is not None:
                raise InUse("a binding uses the role")
            heirs = [one.name for one in await every_role(connection) if role_id in one.inherits]
            if heirs:
                raise InUse(f"other roles inherit it: {', '.join(heirs)}")


async def every_role(connection: AsyncConnection) -> list[Role]:
    """Return every custom role."""
    wanted = select(roles).order_by(roles.c.scope, roles.c.name)
    return [role_of(row._mapping) for row in await connection.execute(wanted)]


async def _missed(connection: AsyncConnection, role_id: str) -> Exception:
    wanted = select(roles.c.id).where(roles.c.id == role_id)
    if (await connection.execute(wanted)).first() is None:
        return RecordNotFound(f"there is no role {role_id}")
    return StaleRevision("the role was changed meanwhile")


def _values(role: Role) -> dict[str, Any]:
    values = {key: getattr(role, key) for key in roles.c.keys()}  # noqa: SIM118 - not a dict
    values |= {key: list(values[key]) for key in _LISTS}
    values["rules"] = [asdict(rule) for rule in role.rules]
    values["labels"] = dict(role.labels)
    return values


def role_of(row: Mapping[Any, Any]) -> Role:
    """Return a row of roles as a record."""
    values = dict(row)
    values |= {key: tuple(values[key]) for key in _LISTS}
    values["rules"] = tuple(
        PolicyRule(**{key: tuple(value) for key, value in rule.items()}) for rule in values["rules"]
    )
    return Role(**values)
