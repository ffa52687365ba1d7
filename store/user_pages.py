"""Pages of users in SQL: a page costs its rows, however many users exist.

A search ignores the case of ASCII letters only: what ``lower`` makes of others depends
on the database and its locale.
"""

from sqlalchemy import (
    ColumnElement,
    String,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from store.administrators import holds_admin_role
from store.keyset import Place, page_of
from store.page_records import UserCounts, UserFilter, UserOrder
from store.tables import is_storable, principals, users

SEARCHED = ("username", "display_name", "id")


async def page_of_users(
    connection: AsyncConnection,
    wanted: UserFilter,
    order: UserOrder,
    *,
    after: Place | None,
    limit: int | None,
) -> list[str]:
    """Return the ids of at most ``limit`` users in order, beginning after a value and an id."""
    texts = (wanted.username, wanted.principal, wanted.search, *(after or ()))
    if not all(is_storable(one) for one in texts if isinstance(one, str)):
        return []
    statement = page_of(
        connection,
        select(users.c.id).where(*_conditions(wanted)),
        users,
        order.field,
        descending=order.descending,
        after=after,
    )
    return list((await connection.execute(statement.limit(limit))).scalars())


async def count_users(connection: AsyncConnection) -> UserCounts:
    """Return how many users exist, are disabled, and hold the role of administrators."""
    statement = select(
        func.count(),
        func.count().filter(users.c.enabled.is_(False)),
        func.count().filter(holds_admin_role()),
    ).select_from(users)
    total, disabled, administrators = (await connection.execute(statement)).one()
    return UserCounts(total=total, disabled=disabled, administrators=administrators)


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.username is not None:
        found.append(users.c.username == wanted.username)
    if wanted.principal is not None:
        owner = select(principals.c.user_id).where(principals.c.id == wanted.principal)
        found.append(users.c.id.in_(owner))
    if wanted.enabled is not None:
        found.append(users.c.enabled.is_(wanted.enabled))
    if wanted.administrator is not None:
        held = holds_admin_role()
        found.append(held if wanted.administrator else ~held)
    if wanted.search:
        text = wanted.search.lower()
        folded = (func.lower(users.c[one], type_=String) for one in SEARCHED)
        found.append(or_(*(one.contains(text, autoescape=True) for one in folded)))
    return found
