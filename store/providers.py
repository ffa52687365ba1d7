"""Providers that are added at run time, in SQL; their settings are encrypted as a whole."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from store.connections import Database
from store.encryption import Keyring, Undecryptable
from store.errors import RecordNotFound
from store.records import Change, StoredProvider
from store.sealed_values import sealing_context
from store.tables import is_storable, providers


class SqlProviders:
    """A :class:`store.interfaces.StoredProviders`."""

    def __init__(self, connections: Database, keyring: Keyring) -> None:
        self._connections = connections
        self._keyring = keyring

    async def list_all(self) -> Sequence[StoredProvider]:
        """Return every provider, ordered by name."""
        async with self._connections.read() as connection:
            rows = await connection.execute(select(providers).order_by(providers.c.name))
            return [self._provider(row) for row in rows]

    async def get(self, name: str) -> StoredProvider | None:
        """Return the provider with that name."""
        if not is_storable(name):
            return None
        async with self._connections.read() as connection:
            wanted = select(providers).where(providers.c.name == name)
            row = (await connection.execute(wanted)).one_or_none()
        return None if row is None else self._provider(row)

    async def create(self, provider: StoredProvider) -> None:
        """Store a new record. Raises Conflict."""
        async with self._connections.write(Change("provider", provider.name)) as connection:
            await connection.execute(insert(providers).values(**self._values(provider)))

    async def replace(self, provider: StoredProvider) -> None:
        """Replace the provider with the same name. Raises RecordNotFound."""
        async with self._connections.write(Change("provider", provider.name)) as connection:
            statement = update(providers).where(providers.c.name == provider.name)
            result = await connection.execute(statement.values(**self._values(provider)))
            if not result.rowcount:
                raise RecordNotFound(f"there is no provider {provider.name}")

    async def delete(self, name: str) -> None:
        """Delete a provider. Raises RecordNotFound."""
        async with self._connections.write(Change("provider", name)) as connection:
            result = await connection.execute(delete(providers).where(providers.c.name == name))
            if not result.rowcount:
                raise RecordNotFound(f"there is no provider {name}")

    def _values(self, provider: StoredProvider) -> dict[str, Any]:
        """Return the row's columns, without settings that do not change."""
        values = {
            "name": provider.name,
            "type": provider.type,
            "enabled": provider.enabled,
            "access_mode": provider.access_mode,
            "allowed_principals": list(provider.allowed_principals),
            "created_at": provider.created_at,
        }
        if provider.unreadable and not provider.settings:
            return values
        settings = json.dumps(dict(provider.settings), separators=(",", ":"))
        sealed = self._keyring.encrypt(settings, _context(provider.name))
        return values | {"settings": sealed}

    def _provider(self, row: Any) -> StoredProvider:
        """Return the row's provider; one whose settings can't be opened has none, and says why.

        It is that provider's matter alone: the others are read as ever.
        """
        settings: dict[str, Any] = {}
        unreadable = ""
        try:
            settings = json.loads(self._keyring.decrypt(row.settings, _context(row.name)))
        except Undecryptable as exc:
            unreadable = str(exc)
        values = dict(row._mapping) | {"settings": settings, "unreadable": unreadable}
        values["allowed_principals"] = tuple(values["allowed_principals"])
        return StoredProvider(**values)


def _context(name: str) -> str:
    """Return the context to which the encrypted settings are bound."""
    return sealing_context(providers.c.settings, name)
