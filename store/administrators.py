"""Who administers Sekisho, and that somebody always does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.interfaces import ADMINISTRATOR, LastAdministrator
from store.tables import bindings, users

_HELD = (bindings.c.role_id == ADMINISTRATOR) & (bindings.c.target == "")


def administers() -> ColumnElement[bool]:
    """Whether a row of users is bound to the role by name."""
    return select(bindings.c.id).where(_HELD, bindings.c.user_id == users.c.id).exists()


async def any_administrator(connection: AsyncConnection) -> bool:
    """Whether an enabled user is bound to the role by name.

    Members of groups don't count: whether there are any is their provider's to say.
    """
    wanted = select(users.c.id).where(administers(), users.c.enabled).limit(1)
    return (await connection.execute(wanted)).first() is not None


@asynccontextmanager
async def one_is_left(
    connection: AsyncConnection, *, even_last: bool = False
) -> AsyncIterator[None]:
    """Raise LastAdministrator where what is done inside leaves nobody, and there was somebody.

    Writers go one by one, or two could each count on the other's. ``even_last``: anything goes.
    """
    if even_last:
        yield
        return
    held = select(bindings.c.id).where(_HELD).order_by(bindings.c.id).with_for_update()
    await connection.execute(held)
    before = await any_administrator(connection)
    yield
    if before and not await any_administrator(connection):
        raise LastAdministrator("the last administrator stays: make somebody else one first")
