"""What is known of principals at their providers, in SQL; providers' secrets encrypted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.administrators import administers
from store.connections import Connections
from store.encryption import Keyring, Undecryptable
from store.interfaces import (
    Change,
    Conflict,
    KnownPrincipal,
    NotFound,
    Principal,
    StoreUnavailable,
    User,
)
from store.tables import memberships, principals, storable, tokens, users
from store.users import lock_user, select_users


class SqlIdentities:
    """A :class:`store.interfaces.Identities`."""

    def __init__(self, connections: Connections, keyring: Keyring) -> None:
        self._connections = connections
        self._keyring = keyring

    async def get(self, principal_id: str) -> KnownPrincipal | None:
        """What is known of a principal."""
        if not storable(principal_id):
            return None
        found = await self._select(principals.c.id == principal_id)
        return found[0] if found else None

    async def of_user(self, user_id: str) -> Sequence[KnownPrincipal]:
        """The same of all of a user's, by id."""
        return await self._select(principals.c.user_id == user_id)

    async def of_provider(self, provider: str) -> Sequence[KnownPrincipal]:
        """All of a provider's that aren't disabled, by id."""
        return await self._select(
            principals.c.provider == provider, principals.c.disabled_reason.is_(None)
        )

    async def seen(
        self, principal_id: str, at: datetime, secret: str | None = None, *, fresh: bool = True
    ) -> None:
        """The provider has just vouched for it. Raises NotFound.

        Announced only where that makes it good again: else no decision depends on it.
        """
        values: dict[str, Any] = {"last_seen_at": at, "disabled_reason": None}
        if fresh:
            values["refreshed_at"] = at
        if secret is not None:
            values["secret"] = self._keyring.encrypt(secret, _context(principal_id))
        known = await self.get(principal_id)
        if known is None:
            raise NotFound(f"there is no principal {principal_id}")
        announced = [Change("user", known.user_id)] if known.disabled_reason else []
        async with self._connections.write(*announced) as connection:
            await _update(connection, principal_id, values)

    async def due(self, provider: str, before: datetime, *, limit: int) -> Sequence[KnownPrincipal]:
        """Those not asked about since ``before``, the longest waiting first."""
        wanted = (
            select(principals)
            .join(users, users.c.id == principals.c.user_id)
            .where(
                principals.c.provider == provider,
                principals.c.disabled_reason.is_(None),
                users.c.enabled,
                _older(principals.c.refreshed_at, before),
            )
            .order_by(principals.c.refreshed_at.asc().nulls_first(), principals.c.id)
            .limit(limit)
        )
        async with self._connections.read() as connection:
            return [self._known(row) for row in await connection.execute(wanted)]

    async def claim(self, known: KnownPrincipal, at: datetime) -> bool:
        """Take the refreshing on, unless somebody else has since ``known`` was read."""
        was = principals.c.refreshed_at
        same = was.is_(None) if known.refreshed_at is None else was == known.refreshed_at
        async with self._connections.write() as connection:
            one = update(principals).where(principals.c.id == known.id, same)
            return bool((await connection.execute(one.values(refreshed_at=at))).rowcount)

    async def release(
        self, principal_id: str, claimed_at: datetime, refreshed_at: datetime | None
    ) -> None:
        """Give a claim back."""
        mine = (principals.c.id == principal_id) & (principals.c.refreshed_at == claimed_at)
        async with self._connections.write() as connection:
            await connection.execute(
                update(principals).where(mine).values(refreshed_at=refreshed_at)
            )

    async def renew(self, principal_id: str, secret: str) -> None:
        """Keep the provider's new secret."""
        sealed = self._keyring.encrypt(secret, _context(principal_id))
        async with self._connections.write() as connection:
            await _update(connection, principal_id, {"secret": sealed})

    async def refuse(self, principal_id: str, reason: str) -> int:
        """Cut a principal off, all or nothing; how many tokens it had."""
        known = await self.get(principal_id)
        if known is None:
            return 0
        async with self._connections.write(Change("user", known.user_id)) as connection:
            await lock_user(connection, known.user_id)
            await _update(connection, principal_id, {"disabled_reason": reason, "secret": None})
            await _forget_groups(connection, known)
            return await _revoke(connection, tokens.c.principal_id == principal_id)

    async def link(self, user_id: str, principal: Principal, secret: str | None = None) -> None:
        """Give a user one more principal. Raises Conflict and NotFound."""
        sealed = None if secret is None else self._keyring.encrypt(secret, _context(principal.id))
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_user(connection, user_id)
            await connection.execute(
                insert(principals).values(
                    id=principal.id,
                    user_id=user_id,
                    provider=principal.provider,
                    name=principal.name,
                    secret=sealed,
                )
            )

    async def unlink(self, user_id: str, principal_id: str) -> int:
        """Take a principal away with all that hangs on it. Raises NotFound and Conflict."""
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_user(connection, user_id)
            theirs = select(principals).where(principals.c.user_id == user_id)
            rows = {row.id: row for row in await connection.execute(theirs)}
            if principal_id not in rows:
                raise NotFound(f"the user {user_id} has no principal {principal_id}")
            if len(rows) == 1:
                raise Conflict("a user's last principal can't be taken away")
            await connection.execute(delete(principals).where(principals.c.id == principal_id))
            await _forget_groups(connection, rows[principal_id])
            return await _revoke(connection, tokens.c.principal_id == principal_id)

    async def revoke_tokens(
        self, *, provider: str | None = None, user_id: str | None = None, keep: str | None = None
    ) -> int:
        """Revoke the tokens of a provider's principals, or of a user; how many there were."""
        where: list[ColumnElement[bool]] = []
        if provider is not None:
            of_provider = select(principals.c.id).where(principals.c.provider == provider)
            where.append(tokens.c.principal_id.in_(of_provider))
        if user_id is not None:
            where.append(tokens.c.user_id == user_id)
        if not where:
            raise ValueError("whose tokens?")
        if keep is not None:
            where.append(tokens.c.name != keep)
        change = Change("token") if user_id is None else Change("user", user_id)
        async with self._connections.write(change) as connection:
            return await _revoke(connection, *where)

    async def unseen(self, before: datetime) -> Sequence[User]:
        """Users, administrators left out, made and last seen before then."""
        seen = select(principals.c.user_id).where(principals.c.last_seen_at >= before)
        used = select(tokens.c.user_id).where(
            or_(tokens.c.created_at >= before, tokens.c.last_used_at >= before)
        )
        async with self._connections.read() as connection:
            return await select_users(
                connection,
                users.c.created_at < before,
                ~administers(),
                users.c.id.not_in(seen),
                users.c.id.not_in(used),
            )

    async def rotate(self, connection: AsyncConnection) -> int:
        """Encrypt with the first key what another one encrypted; how many principals changed.

        A secret that no key opens is dropped: the next sign-in brings another.
        """
        changed = 0
        wanted = select(principals.c.id, principals.c.secret).where(
            principals.c.secret.is_not(None)
        )
        for row in (await connection.execute(wanted.with_for_update())).all():
            if not self._keyring.needs_rotation(row.secret):
                continue
            plain = self._opened(row.id, row.secret)
            sealed = None if plain is None else self._keyring.encrypt(plain, _context(row.id))
            await _update(connection, row.id, {"secret": sealed})
            changed += 1
        return changed

    async def _select(self, *where: ColumnElement[bool]) -> list[KnownPrincipal]:
        async with self._connections.read() as connection:
            wanted = select(principals).where(*where).order_by(principals.c.id)
            return [self._known(row) for row in await connection.execute(wanted)]

    def _known(self, row: Any) -> KnownPrincipal:
        values = dict(row._mapping)
        if row.secret is not None:
            plain = self._opened(row.id, row.secret)
            if plain is None and self._keyring.knows(row.secret):
                raise StoreUnavailable(f"the secret of {row.id} was stored for another place")
            values["secret"] = plain
        return KnownPrincipal(**values)

    def _opened(self, principal_id: str, sealed: bytes) -> str | None:
        try:
            return self._keyring.decrypt(sealed, _context(principal_id))
        except Undecryptable:
            return None


def _older(column: Any, before: datetime) -> ColumnElement[bool]:
    return or_(column.is_(None), column < before)


async def _update(connection: AsyncConnection, principal_id: str, values: dict[str, Any]) -> None:
    await connection.execute(
        update(principals).where(principals.c.id == principal_id).values(**values)
    )


async def _forget_groups(connection: AsyncConnection, known: Any) -> None:
    """Remove what the principal's provider said of groups, unless another one is from there."""
    others = (
        select(func.count())
        .select_from(principals)
        .where(
            principals.c.user_id == known.user_id,
            principals.c.provider == known.provider,
            principals.c.id != known.id,
            principals.c.disabled_reason.is_(None),
        )
    )
    if (await connection.execute(others)).scalar_one():
        return
    theirs = (memberships.c.user_id == known.user_id) & (memberships.c.provider == known.provider)
    await connection.execute(delete(memberships).where(theirs))


async def _revoke(connection: AsyncConnection, *where: ColumnElement[bool]) -> int:
    return int((await connection.execute(delete(tokens).where(*where))).rowcount)


def _context(principal_id: str) -> str:
    """What an encrypted secret is bound to."""
    return f"principals.secret/{principal_id}"
