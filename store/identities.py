"""Principals with the data for refreshes, in SQL; providers' secrets are encrypted.

The module is over 300 lines because one class implements one protocol of the store, and the
statements of one refresh belong together.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from config.loggers import get_logger
from store.administrators import holds_admin_role
from store.claim_records import LOCAL
from store.connections import Database
from store.encryption import Keyring, Undecryptable
from store.errors import Conflict, RecordNotFound, StoreUnavailable
from store.records import Change, Check, NamedPrincipal, Principal, PrincipalRecord, User
from store.sealed_values import sealing_context
from store.standing import lock_checked, lock_user
from store.tables import is_storable, memberships, principals, tokens, users
from store.users import select_users

_WELL: Mapping[str, Any] = {"refresh_failures": 0, "refresh_after": None}
_LOG = get_logger(__name__)


class SqlIdentities:
    """A :class:`store.identity_interfaces.Identities`."""

    def __init__(self, connections: Database, keyring: Keyring) -> None:
        self._connections = connections
        self._keyring = keyring

    async def get(self, principal_id: str) -> PrincipalRecord | None:
        """Return a principal."""
        if not is_storable(principal_id):
            return None
        found = await self._select(principals.c.id == principal_id)
        return found[0] if found else None

    async def of_user(self, user_id: str) -> Sequence[PrincipalRecord]:
        """Return all principals of a user, ordered by id."""
        wanted = select(principals).where(principals.c.user_id == user_id).order_by(principals.c.id)
        async with self._connections.read() as connection:
            return [self._readable(row) for row in await connection.execute(wanted)]

    async def of_provider(self, provider: str) -> Sequence[PrincipalRecord]:
        """Return a provider's enabled principals by id. An undecryptable secret is None."""
        wanted = (
            select(principals)
            .where(principals.c.provider == provider, principals.c.disabled_reason.is_(None))
            .order_by(principals.c.id)
        )
        async with self._connections.read() as connection:
            return [self._readable(row) for row in await connection.execute(wanted)]

    async def named(self, provider: str, beginning: str, *, limit: int) -> Sequence[NamedPrincipal]:
        """Return enabled users and groups of a provider whose names begin with a text."""
        if not is_storable(beginning):
            return []
        person = (
            select(
                principals.c.id, principals.c.name, users.c.display_name, literal("user").label("k")
            )
            .join(users, users.c.id == principals.c.user_id)
            .where(
                principals.c.provider == provider,
                users.c.enabled,
                _begins(principals.c.name, beginning),
            )
        )
        group = (
            select(memberships.c.id, memberships.c.name, memberships.c.name, literal("group"))
            .where(memberships.c.provider == provider, _begins(memberships.c.name, beginning))
            .distinct()
        )
        wanted = union_all(person, group).order_by("name", "id").limit(limit)
        async with self._connections.read() as connection:
            return [NamedPrincipal(*row) for row in await connection.execute(wanted)]

    async def seen(
        self, principal_id: str, at: datetime, secret: str | None = None, *, fresh: bool = True
    ) -> None:
        """Record that the provider confirmed the principal. Raises RecordNotFound.

        Announced only where that makes it good again: else no decision depends on it.
        """
        values: dict[str, Any] = {"last_seen_at": at, "disabled_reason": None}
        if fresh:
            values |= {"refreshed_at": at, **_WELL, "grant_ended_at": None}
        if secret is not None:
            values["secret"] = self._keyring.encrypt(secret, _context(principal_id))
        known = await self._found(principal_id)
        if known is None:
            raise RecordNotFound(f"there is no principal {principal_id}")
        announced = [Change("user", known.user_id)] if known.disabled_reason else []
        async with self._connections.write(*announced) as connection:
            await _update(connection, principal_id, values)

    async def due(
        self, provider: str, before: datetime, now: datetime, *, failing: bool, limit: int
    ) -> Sequence[PrincipalRecord]:
        """Return principals without a refresh since ``before``, oldest first."""
        failures, after = principals.c.refresh_failures, principals.c.refresh_after
        lane = (failures > 0) & _older(after, now) if failing else failures == 0
        wanted = (
            select(principals)
            .join(users, users.c.id == principals.c.user_id)
            .where(
                principals.c.provider == provider,
                principals.c.disabled_reason.is_(None),
                users.c.enabled,
                principals.c.grant_ended_at.is_(None),
                _older(principals.c.refreshed_at, before),
                lane,
            )
            .order_by(
                after.asc().nulls_first(),
                principals.c.refreshed_at.asc().nulls_first(),
                principals.c.id,
            )
            .limit(limit)
        )
        async with self._connections.read() as connection:
            return [self._readable(row) for row in await connection.execute(wanted)]

    async def failing(self, provider: str, at_least: int) -> int:
        """Return the number of principals with at least that many consecutive failures."""
        wanted = (
            select(func.count())
            .select_from(principals)
            .where(
                principals.c.provider == provider,
                principals.c.disabled_reason.is_(None),
                principals.c.refresh_failures >= at_least,
            )
        )
        async with self._connections.read() as connection:
            return int((await connection.execute(wanted)).scalar_one())

    async def claim(self, known: PrincipalRecord, at: datetime) -> bool:
        """Claim the refresh, unless another replica has claimed it since ``known`` was read."""
        was = principals.c.refreshed_at
        same = was.is_(None) if known.refreshed_at is None else was == known.refreshed_at
        async with self._connections.write() as connection:
            one = update(principals).where(principals.c.id == known.id, same)
            return bool((await connection.execute(one.values(refreshed_at=at))).rowcount)

    async def release(
        self, principal_id: str, claimed_at: datetime, refreshed_at: datetime | None
    ) -> None:
        """Release a claim."""
        mine = (principals.c.id == principal_id) & (principals.c.refreshed_at == claimed_at)
        async with self._connections.write() as connection:
            await connection.execute(
                update(principals).where(mine).values(refreshed_at=refreshed_at)
            )

    async def refresh_failed(self, principal_id: str, again_at: datetime) -> None:
        """Count a failed refresh. The next one is not before ``again_at``."""
        failures = principals.c.refresh_failures + 1
        async with self._connections.write() as connection:
            await _update(
                connection,
                principal_id,
                {"refresh_failures": failures, "refresh_after": again_at},
            )

    async def refresh_worked(self, principal_id: str) -> None:
        """Reset the number of failed refreshes."""
        async with self._connections.write() as connection:
            await _update(connection, principal_id, _WELL)

    async def grant_ended(self, principal_id: str, at: datetime) -> None:
        """Delete the provider's secret, which has ended. Tokens and groups stay."""
        known = await self._found(principal_id)
        if known is None:
            return
        # Announced, so that other replicas no longer renew the principal's sessions.
        async with self._connections.write(Change("user", known.user_id)) as connection:
            await _update(connection, principal_id, {"secret": None, "grant_ended_at": at, **_WELL})

    async def renew(self, principal_id: str, secret: str) -> None:
        """Store the provider's new secret."""
        sealed = self._keyring.encrypt(secret, _context(principal_id))
        async with self._connections.write() as connection:
            await _update(connection, principal_id, {"secret": sealed})

    async def take_name(self, principal_id: str, name: str) -> None:
        """Set a principal's name, and remove it from any other principal of its provider."""
        known = await self.get(principal_id)
        if known is None or principal_id.startswith(f"{LOCAL}://"):
            return  # the store's own accounts sign in by their names
        concerned = (principals.c.provider == known.provider) & (
            (principals.c.id == principal_id) | (principals.c.name == name)
        )
        wanted = select(principals.c.id, principals.c.user_id, principals.c.name).where(concerned)
        async with self._connections.read() as connection:
            before = (await connection.execute(wanted)).all()
        if [(row.id, row.name) for row in before] == [(principal_id, name)]:
            return  # the usual case: nothing is written
        changes = [Change("user", one) for one in sorted({row.user_id for row in before})]
        async with self._connections.write(*changes) as connection:
            locked = wanted.order_by(principals.c.id).with_for_update()
            for row in (await connection.execute(locked)).all():
                # An id is never a login name, so it cannot collide with one.
                mine = row.id == principal_id
                await _update(connection, row.id, {"name": name if mine else row.id})

    async def refuse(self, principal_id: str, reason: str) -> int:
        """Disable a principal in one transaction. Return the number of its tokens."""
        known = await self._found(principal_id)
        if known is None:
            return 0
        async with self._connections.write(Change("user", known.user_id)) as connection:
            await lock_user(connection, known.user_id)
            await _update(connection, principal_id, {"disabled_reason": reason, "secret": None})
            await _forget_groups(connection, known)
            return await _revoke(connection, tokens.c.principal_id == principal_id)

    async def link(self, user_id: str, principal: Principal, secret: str | None = None) -> None:
        """Add a principal to a user. Raises Conflict and RecordNotFound."""
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
        """Remove a principal with its tokens and groups. Raises RecordNotFound and Conflict."""
        async with self._connections.write(Change("user", user_id)) as connection:
            await lock_user(connection, user_id)
            theirs = select(principals).where(principals.c.user_id == user_id)
            rows = {row.id: row for row in await connection.execute(theirs)}
            if principal_id not in rows:
                raise RecordNotFound(f"the user {user_id} has no principal {principal_id}")
            if len(rows) == 1:
                raise Conflict("a user's last principal cannot be removed")
            await connection.execute(delete(principals).where(principals.c.id == principal_id))
            await _forget_groups(connection, rows[principal_id])
            return await _revoke(connection, tokens.c.principal_id == principal_id)

    async def revoke_tokens(
        self,
        *,
        provider: str | None = None,
        user_id: str | None = None,
        keep: str | None = None,
        check: Check | None = None,
    ) -> int:
        """Revoke the tokens of a provider's principals, or of a user. Return the number."""
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
            if user_id is not None and check is not None:
                await lock_checked(connection, user_id, check)
            return await _revoke(connection, *where)

    async def forget_groups(self, provider: str) -> int:
        """Remove the group memberships that a provider reported. Return the number."""
        theirs = memberships.c.provider == provider
        async with self._connections.read() as connection:
            one = await connection.execute(select(memberships.c.id).where(theirs).limit(1))
            if one.first() is None:
                return 0  # the usual case: nothing is announced
        async with self._connections.write(Change("user")) as connection:
            return int((await connection.execute(delete(memberships).where(theirs))).rowcount)

    async def unseen(self, before: datetime) -> Sequence[User]:
        """Return users who were created and last active before then, without administrators."""
        seen = select(principals.c.user_id).where(principals.c.last_seen_at >= before)
        used = select(tokens.c.user_id).where(
            or_(tokens.c.created_at >= before, tokens.c.last_used_at >= before)
        )
        async with self._connections.read() as connection:
            return await select_users(
                connection,
                users.c.created_at < before,
                ~holds_admin_role(),
                users.c.id.not_in(seen),
                users.c.id.not_in(used),
            )

    async def _select(self, *where: ColumnElement[bool]) -> list[PrincipalRecord]:
        async with self._connections.read() as connection:
            wanted = select(principals).where(*where).order_by(principals.c.id)
            return [self._known(row) for row in await connection.execute(wanted)]

    async def _found(self, principal_id: str) -> PrincipalRecord | None:
        """Return a principal for a change, whether or not its secret can be decrypted."""
        if not is_storable(principal_id):
            return None
        async with self._connections.read() as connection:
            wanted = select(principals).where(principals.c.id == principal_id)
            row = (await connection.execute(wanted)).first()
        return None if row is None else self._readable(row)

    def _readable(self, row: Any) -> PrincipalRecord:
        """Return a principal. An undecryptable secret is None, so that it stops no others."""
        try:
            return self._known(row)
        except StoreUnavailable as exc:
            _LOG.error("a principal's secret can't be read", principal=row.id, error=str(exc))
            return PrincipalRecord(**{**row._mapping, "secret": None})

    def _known(self, row: Any) -> PrincipalRecord:
        values = dict(row._mapping)
        if row.secret is not None:
            plain = self._opened(row.id, row.secret)
            if plain is None and self._keyring.knows(row.secret):
                raise StoreUnavailable(f"the secret of {row.id} was stored for another place")
            values["secret"] = plain
        return PrincipalRecord(**values)

    def _opened(self, principal_id: str, sealed: bytes) -> str | None:
        try:
            return self._keyring.decrypt(sealed, _context(principal_id))
        except Undecryptable:
            return None


def _older(column: Any, before: datetime) -> ColumnElement[bool]:
    return or_(column.is_(None), column < before)


async def _update(
    connection: AsyncConnection, principal_id: str, values: Mapping[str, Any]
) -> None:
    await connection.execute(
        update(principals).where(principals.c.id == principal_id).values(**values)
    )


async def _forget_groups(connection: AsyncConnection, known: Any) -> None:
    """Remove the groups of the provider, unless the user has another principal there."""
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
    """Return the context to which an encrypted secret is bound."""
    return sealing_context(principals.c.secret, principal_id)


def _begins(name: Column[str], beginning: str) -> ColumnElement[bool]:
    return func.lower(name).startswith(beginning.lower(), autoescape=True)
