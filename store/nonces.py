"""Values that are good once, in SQL: a digest of each that was spent, until it would have ended."""

import hashlib
from datetime import datetime

from sqlalchemy import delete, insert

from store.connections import Connections
from store.interfaces import Conflict
from store.tables import spent


class SqlOneTime:
    """A :class:`store.interfaces.OneTime`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def spend(self, value: str, expires_at: datetime) -> bool:
        """Use ``value`` up; False where it was before. The primary key decides between two."""
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
        try:
            async with self._connections.write() as connection:
                await connection.execute(insert(spent).values(value=digest, expires_at=expires_at))
        except Conflict:
            return False
        return True

    async def clear(self, before: datetime) -> int:
        """Forget those that ended before then; how many there were."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(spent).where(spent.c.expires_at < before))
            return int(result.rowcount)
