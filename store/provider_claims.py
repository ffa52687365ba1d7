"""The schemes and backends of providers' principals, in SQL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.claim_records import BackendChanged, ProviderClaim, same_backend, scheme_names
from store.connections import Database
from store.errors import Conflict, RecordNotFound
from store.inserts import insert_missing
from store.records import Change
from store.tables import (
    bindings,
    is_storable,
    memberships,
    principals,
    provider_claims,
    provider_schemes,
)


class SqlProviderClaims:
    """A :class:`store.interfaces.ProviderClaims`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def get(self, provider: str) -> ProviderClaim | None:
        """Return the claim of ``provider``, whether or not it still exists."""
        if not is_storable(provider):
            return None
        async with self._connections.read() as connection:
            return await _claim_of(connection, provider)

    async def list_all(self) -> Sequence[ProviderClaim]:
        """Return every claim, by provider."""
        async with self._connections.read() as connection:
            names = select(provider_claims.c.provider).order_by(provider_claims.c.provider)
            found = [
                await _claim_of(connection, row.provider) for row in await connection.execute(names)
            ]
        return [one for one in found if one is not None]

    async def owners(self) -> Mapping[str, str]:
        """Return the provider that owns each scheme."""
        wanted = select(provider_schemes.c.scheme, provider_schemes.c.provider)
        async with self._connections.read() as connection:
            return {row.scheme: row.provider for row in await connection.execute(wanted)}

    async def claim(
        self, provider: str, backend: Mapping[str, Any], declared: Sequence[str]
    ) -> ProviderClaim:
        """Give ``provider`` its schemes. Raises BackendChanged and Conflict."""
        known = await self.get(provider)
        if known is not None and known.backend == backend and known.owns(declared):
            return known  # the usual start: nothing is written
        async with self._connections.write() as connection:
            return await claim_schemes(connection, provider, backend, declared)

    async def adopt(
        self,
        provider: str,
        backend: Mapping[str, Any],
        declared: Sequence[str],
        *,
        former: str | None = None,
    ) -> ProviderClaim:
        """Assign the provider's principals to ``backend``, and delete their secrets."""
        changes = [Change("provider", provider), *([Change("user")] if former else [])]
        async with self._connections.write(*changes) as connection:
            if former is not None:
                await _take_over(connection, provider, former)
            await adopt_backend(connection, provider, backend)
            return await claim_schemes(connection, provider, backend, declared)


async def claim_schemes(
    connection: AsyncConnection,
    provider: str,
    backend: Mapping[str, Any],
    declared: Sequence[str],
) -> ProviderClaim:
    """Claim within a transaction. Raises BackendChanged and Conflict."""
    text = _written(backend)
    values = {"provider": provider, "backend": text}
    await connection.execute(insert_missing(connection, provider_claims).values(**values))
    mine = provider_claims.c.provider == provider
    row = (await connection.execute(select(provider_claims).where(mine).with_for_update())).one()
    if row.backend is None:
        # Principals of older versions have no backend: the present one is assumed.
        await connection.execute(update(provider_claims).where(mine).values(backend=text))
    elif not same_backend(json.loads(row.backend), backend) and await _in_use(connection, provider):
        raise BackendChanged(provider, json.loads(row.backend), backend)
    elif row.backend != text:
        await connection.execute(update(provider_claims).where(mine).values(backend=text))
    for scheme in declared:
        await _claim_scheme(connection, provider, scheme)
    found = await _claim_of(connection, provider)
    assert found is not None
    return found


async def adopt_backend(
    connection: AsyncConnection, provider: str, backend: Mapping[str, Any]
) -> None:
    """Replace a provider's stored backend within a transaction.

    Secrets that the former backend has issued are dropped: the new one must not get them.
    """
    mine = provider_claims.c.provider == provider
    await connection.execute(update(provider_claims).where(mine).values(backend=_written(backend)))
    await connection.execute(
        update(principals).where(principals.c.provider == provider).values(secret=None)
    )


async def _take_over(connection: AsyncConnection, provider: str, former: str) -> None:
    """Move a former provider's schemes and users to another. Raises RecordNotFound and Conflict."""
    claims, schemes = provider_claims, provider_schemes
    known = select(claims.c.provider).where(claims.c.provider == former)
    if (await connection.execute(known)).first() is None:
        raise RecordNotFound(f"no provider {former} has been here")
    if await _in_use(connection, provider):
        raise Conflict(f"the provider {provider} has people or groups of its own already")
    await connection.execute(delete(schemes).where(schemes.c.provider == provider))
    await connection.execute(insert_missing(connection, claims).values(provider=provider))
    for table in (principals, memberships, schemes):
        mine = update(table).where(table.c.provider == former)
        await connection.execute(mine.values(provider=provider))
    await connection.execute(delete(claims).where(claims.c.provider == former))


async def _claim_scheme(connection: AsyncConnection, provider: str, declared: str) -> None:
    table = provider_schemes
    mine = (table.c.provider == provider) & (table.c.declared == declared)
    for scheme in scheme_names(declared, provider):
        if (await connection.execute(select(table.c.scheme).where(mine))).first() is not None:
            return
        values = {"scheme": scheme, "provider": provider, "declared": declared}
        await connection.execute(insert_missing(connection, table).values(**values))
    if (await connection.execute(select(table.c.scheme).where(mine))).first() is None:
        raise Conflict(f"other providers own every name that {declared} could have at {provider}")


async def _claim_of(connection: AsyncConnection, provider: str) -> ProviderClaim | None:
    wanted = select(provider_claims).where(provider_claims.c.provider == provider)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        return None
    owned = select(provider_schemes).where(provider_schemes.c.provider == provider)
    schemes = {one.declared: one.scheme for one in await connection.execute(owned)}
    backend = None if row.backend is None else json.loads(row.backend)
    return ProviderClaim(provider, backend, schemes, await _in_use(connection, provider))


async def _in_use(connection: AsyncConnection, provider: str) -> bool:
    """Return whether the provider has principals, or a binding names one of its groups."""
    owned = select(provider_schemes.c.scheme).where(provider_schemes.c.provider == provider)
    schemes = (await connection.execute(owned)).scalars().all()
    bound = or_(
        false(), *(bindings.c.group_id.startswith(f"{one}://", autoescape=True) for one in schemes)
    )
    wanted = select(
        or_(
            exists().where(principals.c.provider == provider),
            exists().where(memberships.c.provider == provider),
            select(bindings.c.id).where(bound).exists(),
        )
    )
    return bool((await connection.execute(wanted)).scalar_one())


def _written(backend: Mapping[str, Any]) -> str:
    return json.dumps(dict(backend), sort_keys=True, separators=(",", ":"))
