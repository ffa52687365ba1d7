"""Users, their principals, groups and local passwords, in SQL.

The module is over 300 lines because one class implements one protocol of the store.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.composed import MOST_CHARACTERS, folded_name
from store.administrators import any_administrator, holds_admin_role, one_is_left
from store.connections import Database
from store.errors import StaleRevision
from store.members import known_by, members_of
from store.page_records import UserCounts, UserFilter, UserOrder
from store.pieces import in_pieces
from store.records import (
    ADMINISTRATOR,
    Change,
    Check,
    Membership,
    NewPassword,
    Password,
    Principal,
    User,
    UsernameMapping,
)
from store.standing import lock_checked, lock_user, memberships_of
from store.tables import bindings, is_storable, memberships, passwords, principals, tokens, users
from store.user_pages import count_users, page_of_users

_AT_ONCE = 500
"""Ids in one query: databases limit the number of parameters."""


class SqlUsers:
    """A :class:`store.identity_interfaces.Users`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def create(self, user: User, *, password: NewPassword | None = None) -> None:
        """Store a user in one transaction. Raises Conflict."""
        async with self._connections.write(Change("user", user.id)) as connection:
            await connection.execute(
                insert(users).values(
                    id=user.id,
                    username=user.username,
                    display_name=user.display_name,
                    enabled=user.enabled,
                    created_at=user.created_at,
                    revision=user.revision,
                    labels=dict(user.labels),
                )
            )
            if user.administrator:
                await _set_administrator(connection, user.id, user.username, True)
            rows = [
                {"id": one.id, "user_id": user.id, "provider": one.provider, "name": one.name}
                for one in user.principals
            ]
            if rows:
                await connection.execute(insert(principals), rows)
            if password is not None:
                await _insert_password(connection, user.id, password)

    async def get(self, user_id: str) -> User | None:
        """Return the user with that id."""
        if not is_storable(user_id):
            return None
        found = await self._select(users.c.id == user_id)
        return found[0] if found else None

    async def get_many(self, user_ids: Sequence[str]) -> Sequence[User]:
        """Return the users that exist, ordered by username."""
        found: list[User] = []
        for start in range(0, len(user_ids), _AT_ONCE):
            found += await self._select(users.c.id.in_(user_ids[start : start + _AT_ONCE]))
        return sorted(found, key=lambda user: (user.username, user.id))

    async def by_principal(self, principal_id: str) -> User | None:
        """Return the user who owns that principal."""
        if not is_storable(principal_id):
            return None
        owner = select(principals.c.user_id).where(principals.c.id == principal_id)
        found = await self._select(users.c.id.in_(owner))
        return found[0] if found else None

    async def find(self, name: str) -> Sequence[User]:
        """Return every user whose id, username or principal id equals ``name``."""
        if not is_storable(name):
            return []
        owner = select(principals.c.user_id).where(principals.c.id == name)
        return await self._select(
            or_(users.c.id == name, users.c.username == name, users.c.id.in_(owner))
        )

    async def list_all(self) -> Sequence[User]:
        """Return every user, ordered by username."""
        return await self._select()

    async def page(
        self,
        wanted: UserFilter,
        order: UserOrder,
        *,
        after: tuple[str | datetime, str] | None = None,
        limit: int | None = None,
    ) -> Sequence[User]:
        """Return users in order, beginning after a value of the order's field and an id."""
        async with self._connections.read() as connection:
            ids = await page_of_users(connection, wanted, order, after=after, limit=limit)
            found: dict[str, User] = {}
            for start in range(0, len(ids), _AT_ONCE):
                some = users.c.id.in_(ids[start : start + _AT_ONCE])
                found |= {one.id: one for one in await select_users(connection, some)}
        return [found[one] for one in ids if one in found]

    async def counts(self) -> UserCounts:
        """Return how many users exist, are disabled, and are administrators."""
        async with self._connections.read() as connection:
            return await count_users(connection)

    async def update(
        self,
        user_id: str,
        *,
        display_name: str | None = None,
        enabled: bool | None = None,
        administrator: bool | None = None,
        labels: Mapping[str, str] | None = None,
        revision: int | None = None,
        even_last: bool = False,
        check: Check | None = None,
    ) -> User:
        """Change a user. Raises RecordNotFound, LastAdministrator and StaleRevision."""
        wanted = {"display_name": display_name, "enabled": enabled, "labels": labels}
        values: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_checked(connection, user_id, check)
            async with one_is_left(connection, even_last=even_last):
                current = (await select_users(connection, users.c.id == user_id))[0]
                if revision not in {None, current.revision}:
                    raise StaleRevision("the user was changed meanwhile")
                values["revision"] = current.revision + 1
                await connection.execute(
                    update(users).where(users.c.id == user_id).values(**values)
                )
                if administrator is not None:
                    await _set_administrator(connection, user_id, current.username, administrator)
            return (await select_users(connection, users.c.id == user_id))[0]

    async def delete(
        self, user_id: str, *, even_last: bool = False, check: Check | None = None
    ) -> None:
        """Delete a user. Raises RecordNotFound and LastAdministrator."""
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_checked(connection, user_id, check)
            async with one_is_left(connection, even_last=even_last):
                await connection.execute(delete(users).where(users.c.id == user_id))

    async def has_any(self) -> bool:
        """Return whether at least one user exists."""
        async with self._connections.read() as connection:
            return (await connection.execute(select(users.c.id).limit(1))).first() is not None

    async def any_administrator(self) -> bool:
        """Return whether at least one enabled administrator exists."""
        async with self._connections.read() as connection:
            return await any_administrator(connection)

    async def memberships(self, user_id: str) -> Sequence[Membership]:
        """Return the user's group principals, ordered by id."""
        async with self._connections.read() as connection:
            return await memberships_of(connection, user_id)

    async def groups(self) -> Sequence[tuple[Membership, int]]:
        """Return every group principal with its number of users, ordered by id."""
        wanted = (
            select(
                memberships.c.id,
                func.max(memberships.c.provider).label("provider"),
                func.max(memberships.c.name).label("name"),
                func.count().label("members"),
            )
            .group_by(memberships.c.id)
            .order_by(memberships.c.id)
        )
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return [
                (Membership(row.id, row.provider, row.name), row.members)
                async for row in in_pieces(rows)
            ]

    async def members(
        self, group_ids: Sequence[str], *, limit: int
    ) -> Sequence[tuple[str, str, str]]:
        """Return group id, group name and user id of memberships, in order."""
        async with self._connections.read() as connection:
            return await members_of(connection, group_ids, limit)

    async def named_in_cluster(
        self, mapping: UsernameMapping, names: Sequence[str]
    ) -> Sequence[User]:
        """Return the users whom a cluster with that mapping knows by one of ``names``."""
        found = [await self._select(where) for where in known_by(mapping, names)]
        return list({user.id: user for batch in found for user in batch}.values())

    async def set_memberships(
        self, user_id: str, provider: str, groups: Sequence[Membership]
    ) -> None:
        """Replace the user's groups of ``provider``. Raises RecordNotFound."""
        theirs = (memberships.c.user_id == user_id) & (memberships.c.provider == provider)
        rows = [
            {"user_id": user_id, "provider": provider, "id": one.id, "name": one.name}
            for one in {group.id: group for group in groups}.values()
        ]
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_user(connection, user_id)
            await connection.execute(delete(memberships).where(theirs))
            if rows:
                await connection.execute(insert(memberships), rows)

    async def password(self, username: str) -> Password | None:
        """Return the local account with a login name."""
        if not is_storable(username) or len(username) > MOST_CHARACTERS:
            return None
        async with self._connections.read() as connection:
            wanted = (
                select(passwords, users.c.enabled)
                .join(users, users.c.id == passwords.c.user_id)
                .where(passwords.c.folded == folded_name(username))
            )
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        return Password(
            row.user_id, row.username, row.enabled, row.hash, row.must_change, row.expires_at
        )

    async def set_password(
        self, user_id: str, password: NewPassword, *, check: Check | None = None
    ) -> int:
        """Store a local password, and end tokens. Raises Conflict and RecordNotFound."""
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_checked(connection, user_id, check)
            await connection.execute(delete(passwords).where(passwords.c.user_id == user_id))
            await _insert_password(connection, user_id, password)
            return await _end_tokens(connection, user_id, password)

    async def rehash(self, password: Password, fresh: str) -> bool:
        """Replace the hash, unless the password was changed since."""
        same = (passwords.c.user_id == password.user_id) & (passwords.c.hash == password.hash)
        async with self._connections.write(Change("user", password.user_id)) as connection:
            result = await connection.execute(update(passwords).where(same).values(hash=fresh))
            return bool(result.rowcount)

    async def _select(self, *where: ColumnElement[bool]) -> list[User]:
        async with self._connections.read() as connection:
            return await select_users(connection, *where)


async def select_users(connection: AsyncConnection, *where: ColumnElement[bool]) -> list[User]:
    """Return users with their principals, ordered by username, in one query."""
    wanted = (
        select(
            users,
            holds_admin_role().label("administrator"),
            principals.c.id.label("principal"),
            principals.c.provider,
            principals.c.name,
            principals.c.disabled_reason,
            principals.c.refresh_failures,
            principals.c.grant_ended_at,
        )
        .outerjoin(principals, principals.c.user_id == users.c.id)
        .where(*where)
        .order_by(users.c.username, users.c.id, principals.c.id)
    )
    rows_of: dict[str, list[Any]] = {}
    async for row in in_pieces(await connection.execute(wanted)):
        rows_of.setdefault(row.id, []).append(row)
    return [_user(rows) async for rows in in_pieces(rows_of.values())]


def _user(rows: Sequence[Any]) -> User:
    first = rows[0]
    return User(
        id=first.id,
        username=first.username,
        display_name=first.display_name,
        enabled=first.enabled,
        administrator=first.administrator,
        created_at=first.created_at,
        principals=tuple(
            Principal(
                row.principal,
                row.provider,
                row.name,
                row.disabled_reason,
                row.refresh_failures,
                row.grant_ended_at,
            )
            for row in rows
            if row.principal
        ),
        revision=first.revision,
        labels=first.labels,
    )


async def _set_administrator(
    connection: AsyncConnection, user_id: str, username: str, wanted: bool
) -> None:
    """Bind the user to the role, or delete the binding."""
    held = (bindings.c.role_id == ADMINISTRATOR) & (bindings.c.subject == user_id)
    await connection.execute(delete(bindings).where(held, bindings.c.target == ""))
    if wanted:
        values = {"id": f"b-{user_id.removeprefix('u-')}", "role_id": ADMINISTRATOR}
        values |= {"user_id": user_id, "subject": user_id, "target": "", "name": username}
        await connection.execute(insert(bindings).values(**values, created_at=datetime.now(UTC)))


async def _insert_password(
    connection: AsyncConnection, user_id: str, password: NewPassword
) -> None:
    await connection.execute(
        insert(passwords).values(
            user_id=user_id,
            username=password.username,
            folded=folded_name(password.username),
            hash=password.hash,
            must_change=password.must_change,
            expires_at=password.expires_at,
        )
    )


async def _end_tokens(connection: AsyncConnection, user_id: str, password: NewPassword) -> int:
    """End tokens with the old password, and update whether the kept token is confined."""
    mine = tokens.c.user_id == user_id
    kept = mine & (tokens.c.name == password.keep)
    if not password.must_change:
        await connection.execute(update(tokens).where(kept).values(confined=False))
    if password.ends == "nothing":
        return 0
    ended = mine if password.ends == "tokens" else mine & (tokens.c.kind == "session")
    if password.keep is not None:
        ended &= tokens.c.name != password.keep
    return int((await connection.execute(delete(tokens).where(ended))).rowcount)
