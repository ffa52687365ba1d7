"""Enabled administrators: at least one must always exist."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.errors import LastAdministrator
from store.records import ADMINISTRATOR
from store.tables import bindings, users

_HELD = (bindings.c.role_id == ADMINISTRATOR) & (bindings.c.target == "")


def holds_admin_role() -> ColumnElement[bool]:
    """Return the condition that a user is bound to the role directly."""
    return select(bindings.c.id).where(_HELD, bindings.c.user_id == users.c.id).exists()


async def any_administrator(connection: AsyncConnection) -> bool:
    """Return whether an enabled user is bound to the role directly.

    Members of groups do not count: only their provider knows whether there are any.
    """
    wanted = select(users.c.id).where(holds_admin_role(), users.c.enabled).limit(1)
    return (await connection.execute(wanted)).first() is not None


@asynccontextmanager
async def one_is_left(
    connection: AsyncConnection, *, even_last: bool = False
) -> AsyncIterator[None]:
    """Raise LastAdministrator if the enclosed changes remove the last administrator.

    Writers are serialized: otherwise two could each rely on the other's. ``even_last``: no check.
    """
    if even_last:
        yield
        return
    held = select(bindings.c.id).where(_HELD).order_by(bindings.c.id).with_for_update()
    await connection.execute(held)
    before = await any_administrator(connection)
    yield
    if before and not await any_administrator(connection):
        raise LastAdministrator(
            "this is the last administrator; make another user an administrator first"
        )
