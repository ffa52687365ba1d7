"""Values that are valid once, in SQL: the digest of each used value, until it expires."""

import hashlib
from datetime import datetime

from sqlalchemy import delete, insert

from store.connections import Database
from store.errors import Conflict
from store.tables import spent


class SqlNonces:
    """A :class:`store.interfaces.Nonces`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def spend(self, value: str, expires_at: datetime) -> bool:
        """Use ``value``. Return False if it was used before. The primary key prevents a race."""
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
        try:
            async with self._connections.write() as connection:
                await connection.execute(insert(spent).values(value=digest, expires_at=expires_at))
        except Conflict:
            return False
        return True

    async def clear(self, before: datetime) -> int:
        """Delete records that expired before then. Return the number."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(spent).where(spent.c.expires_at < before))
            return int(result.rowcount)
