"""Responses to requests with an idempotency key, in SQL; bodies are encrypted."""

from datetime import UTC, datetime

from sqlalchemy import delete, select, update

from store.connections import Database
from store.encryption import Keyring, Undecryptable
from store.inserts import insert_missing
from store.records import StoredResponse
from store.sealed_values import sealing_context
from store.tables import answers


class SqlIdempotencyRecords:
    """A :class:`store.interfaces.IdempotencyRecords`."""

    def __init__(self, connections: Database, keyring: Keyring) -> None:
        self._connections = connections
        self._keyring = keyring

    async def begin(
        self, key: bytes, request: bytes, expires_at: datetime
    ) -> StoredResponse | None:
        """Reserve a free key and return None, or return the record of a used key."""
        async with self._connections.write() as connection:
            over = answers.c.expires_at <= datetime.now(UTC)
            await connection.execute(delete(answers).where(answers.c.key == key, over))
            new = insert_missing(connection, answers).values(
                key=key, request=request, expires_at=expires_at
            )
            if (await connection.execute(new)).rowcount:
                return None
            wanted = select(answers).where(answers.c.key == key)
            row = (await connection.execute(wanted)).one()
        return StoredResponse(row.request, row.status, self._opened(key, row.body))

    async def finish(self, key: bytes, status: int, body: str, expires_at: datetime) -> None:
        """Store the response."""
        sealed = self._keyring.encrypt(body, _context(key))
        async with self._connections.write() as connection:
            await connection.execute(
                update(answers)
                .where(answers.c.key == key)
                .values(status=status, body=sealed, expires_at=expires_at)
            )

    async def abandon(self, key: bytes) -> None:
        """Release the key of a failed request."""
        async with self._connections.write() as connection:
            await connection.execute(
                delete(answers).where(answers.c.key == key, answers.c.status.is_(None))
            )

    async def clear(self, before: datetime) -> int:
        """Delete records that expired before then. Return the number."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(answers).where(answers.c.expires_at < before))
            return int(result.rowcount)

    def _opened(self, key: bytes, sealed: bytes | None) -> str | None:
        try:
            return None if sealed is None else self._keyring.decrypt(sealed, _context(key))
        except Undecryptable:
            return None


def _context(key: bytes) -> str:
    """Return the context to which an encrypted response is bound."""
    return sealing_context(answers.c.body, key)
