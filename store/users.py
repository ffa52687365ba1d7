"""Users, their principals, groups and local passwords, in SQL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.administrators import administers, any_administrator, one_is_left
from store.connections import Connections
from store.interfaces import (
    ADMINISTRATOR,
    Change,
    Membership,
    NotFound,
    Password,
    Principal,
    StaleRevision,
    User,
)
from store.tables import bindings, memberships, passwords, principals, storable, users


def folded(username: str) -> str:
    """A sign-in name as it is compared: without regard to case."""
    return username.casefold()


class SqlUsers:
    """A :class:`store.interfaces.Users`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(
        self, user: User, *, password_hash: str | None = None, must_change: bool = False
    ) -> None:
        """Store a user, all or nothing. Raises Conflict."""
        async with self._connections.write(Change("user", user.id)) as connection:
            await connection.execute(
                insert(users).values(
                    id=user.id,
                    username=user.username,
                    display_name=user.display_name,
                    enabled=user.enabled,
                    created_at=user.created_at,
                    revision=user.revision,
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
            if password_hash is not None:
                await _insert_password(
                    connection, user.id, user.username, password_hash, must_change=must_change
                )

    async def get(self, user_id: str) -> User | None:
        """The user with that id."""
        if not storable(user_id):
            return None
        found = await self._select(users.c.id == user_id)
        return found[0] if found else None

    async def get_many(self, user_ids: Sequence[str]) -> Sequence[User]:
        """Those of the users that are there, by username."""
        found: list[User] = []
        # In pieces: databases take only so many parameters.
        for start in range(0, len(user_ids), 500):
            found += await self._select(users.c.id.in_(user_ids[start : start + 500]))
        return sorted(found, key=lambda user: (user.username, user.id))

    async def by_principal(self, principal_id: str) -> User | None:
        """The user who owns that principal."""
        if not storable(principal_id):
            return None
        owner = select(principals.c.user_id).where(principals.c.id == principal_id)
        found = await self._select(users.c.id.in_(owner))
        return found[0] if found else None

    async def find(self, name: str) -> Sequence[User]:
        """Every user whose id, username or principal id is exactly ``name``."""
        if not storable(name):
            return []
        owner = select(principals.c.user_id).where(principals.c.id == name)
        return await self._select(
            or_(users.c.id == name, users.c.username == name, users.c.id.in_(owner))
        )

    async def list_all(self) -> Sequence[User]:
        """Every user, by username."""
        return await self._select()

    async def update(
        self,
        user_id: str,
        *,
        display_name: str | None = None,
        enabled: bool | None = None,
        administrator: bool | None = None,
        revision: int | None = None,
        even_last: bool = False,
    ) -> User:
        """Change what is not None. Raises NotFound, LastAdministrator and StaleRevision."""
        wanted = {"display_name": display_name, "enabled": enabled}
        values: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_user(connection, user_id)
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

    async def delete(self, user_id: str, *, even_last: bool = False) -> None:
        """Delete the user and what hangs on it. Raises NotFound and LastAdministrator."""
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_user(connection, user_id)
            async with one_is_left(connection, even_last=even_last):
                await connection.execute(delete(users).where(users.c.id == user_id))

    async def anybody(self) -> bool:
        """Whether there is any user."""
        async with self._connections.read() as connection:
            return (await connection.execute(select(users.c.id).limit(1))).first() is not None

    async def any_administrator(self) -> bool:
        """Whether at least one enabled administrator exists."""
        async with self._connections.read() as connection:
            return await any_administrator(connection)

    async def memberships(self, user_id: str) -> Sequence[Membership]:
        """The group principals the user is in, by id."""
        async with self._connections.read() as connection:
            return await memberships_of(connection, user_id)

    async def groups(self) -> Sequence[tuple[Membership, int]]:
        """Every group principal that somebody is in, and how many are, by id."""
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
            return [
                (Membership(row.id, row.provider, row.name), row.members)
                for row in await connection.execute(wanted)
            ]

    async def set_memberships(
        self, user_id: str, provider: str, groups: Sequence[Membership]
    ) -> None:
        """Replace what ``provider`` says of the user's groups. Raises NotFound."""
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
        """The local password record for a sign-in name."""
        if not storable(username):
            return None
        async with self._connections.read() as connection:
            wanted = (
                select(passwords, users.c.enabled)
                .join(users, users.c.id == passwords.c.user_id)
                .where(passwords.c.folded == folded(username))
            )
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        return Password(row.user_id, row.username, row.enabled, row.hash, row.must_change)

    async def set_password(
        self, user_id: str, username: str, password_hash: str, *, must_change: bool = False
    ) -> None:
        """Store a local password hash. Raises Conflict and NotFound."""
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_user(connection, user_id)
            await connection.execute(delete(passwords).where(passwords.c.user_id == user_id))
            await _insert_password(
                connection, user_id, username, password_hash, must_change=must_change
            )

    async def _select(self, *where: ColumnElement[bool]) -> list[User]:
        async with self._connections.read() as connection:
            return await select_users(connection, *where)


async def lock_user(connection: AsyncConnection, user_id: str) -> None:
    """Let writers who replace something of one user go one by one. Raises NotFound."""
    wanted = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
    if not storable(user_id) or (await connection.execute(wanted)).first() is None:
        raise NotFound(f"there is no user {user_id}")


async def select_users(connection: AsyncConnection, *where: ColumnElement[bool]) -> list[User]:
    """Users with their principals, by username, in one query."""
    wanted = (
        select(
            users,
            administers().label("administrator"),
            principals.c.id.label("principal"),
            principals.c.provider,
            principals.c.name,
            principals.c.disabled_reason,
        )
        .outerjoin(principals, principals.c.user_id == users.c.id)
        .where(*where)
        .order_by(users.c.username, users.c.id, principals.c.id)
    )
    rows_of: dict[str, list[Any]] = {}
    for row in await connection.execute(wanted):
        rows_of.setdefault(row.id, []).append(row)
    return [_user(rows) for rows in rows_of.values()]


async def memberships_of(connection: AsyncConnection, user_id: str) -> list[Membership]:
    """A user's groups, by id."""
    wanted = select(memberships).where(memberships.c.user_id == user_id).order_by(memberships.c.id)
    return [Membership(row.id, row.provider, row.name) for row in await connection.execute(wanted)]


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
            Principal(row.principal, row.provider, row.name, row.disabled_reason)
            for row in rows
            if row.principal
        ),
        revision=first.revision,
    )


async def _set_administrator(
    connection: AsyncConnection, user_id: str, username: str, wanted: bool
) -> None:
    """Bind the user to the role, or take that away."""
    held = (bindings.c.role_id == ADMINISTRATOR) & (bindings.c.subject == user_id)
    await connection.execute(delete(bindings).where(held, bindings.c.target == ""))
    if wanted:
        values = {"id": f"b-{user_id.removeprefix('u-')}", "role_id": ADMINISTRATOR}
        values |= {"user_id": user_id, "subject": user_id, "target": "", "name": username}
        await connection.execute(insert(bindings).values(**values, created_at=datetime.now(UTC)))


async def _insert_password(
    connection: AsyncConnection,
    user_id: str,
    username: str,
    password_hash: str,
    *,
    must_change: bool,
) -> None:
    await connection.execute(
        insert(passwords).values(
            user_id=user_id,
            username=username,
            folded=folded(username),
            hash=password_hash,
            must_change=must_change,
        )
    )
