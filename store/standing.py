"""A user's holdings, read in a transaction that changes the user.

Whether one user may act on another depends on what the other one holds. A check before the
transaction could be overtaken by a new binding, so writers accept the check itself and run it
between locking the user and writing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.access_records import Binding
from store.errors import RecordNotFound
from store.records import Check, Holdings, Membership
from store.roles import every_role
from store.tables import bindings, is_storable, memberships, users


async def lock_user(connection: AsyncConnection, user_id: str) -> None:
    """Serialize writers of one user by a lock. Raises RecordNotFound."""
    wanted = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
    if not is_storable(user_id) or (await connection.execute(wanted)).first() is None:
        raise RecordNotFound(f"there is no user {user_id}")


async def lock_checked(connection: AsyncConnection, user_id: str, check: Check | None) -> None:
    """Lock a user and run ``check`` on the user's holdings. Raises RecordNotFound."""
    await lock_user(connection, user_id)
    if check is not None:
        check(await holdings_of(connection, user_id))


async def holdings_of(connection: AsyncConnection, user_id: str) -> Holdings:
    """Return a user's holdings, also through every known group."""
    groups = [one.id for one in await memberships_of(connection, user_id)]
    held = await held_by(connection, user_id, groups)
    return Holdings(held, await every_role(connection) if held else [])


async def memberships_of(connection: AsyncConnection, user_id: str) -> list[Membership]:
    """Return a user's groups, by id."""
    wanted = select(memberships).where(memberships.c.user_id == user_id).order_by(memberships.c.id)
    return [Membership(row.id, row.provider, row.name) for row in await connection.execute(wanted)]


async def held_by(
    connection: AsyncConnection, user_id: str, groups: Sequence[str]
) -> list[Binding]:
    """Return the bindings of a user and of ``groups``."""
    wanted = select(bindings).where(
        or_(bindings.c.user_id == user_id, bindings.c.group_id.in_(groups))
    )
    rows = await connection.execute(wanted.order_by(bindings.c.id))
    return [binding_of(dict(row._mapping)) for row in rows]


def binding_of(values: Mapping[str, Any]) -> Binding:
    """Return a row of bindings as a record."""
    return Binding(**{key: values[key] for key in values if key not in {"subject", "target"}})
