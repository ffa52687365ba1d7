"""What requests with a key of the client's own were answered, in SQL; bodies encrypted."""

from datetime import UTC, datetime

from sqlalchemy import delete, select, update

from store.connections import Connections
from store.encryption import Keyring, Undecryptable
from store.fleet_records import KeptAnswer
from store.inserts import insert_missing
from store.tables import answers


class SqlAnswers:
    """A :class:`store.fleet_records.Answers`."""

    def __init__(self, connections: Connections, keyring: Keyring) -> None:
        self._connections = connections
        self._keyring = keyring

    async def begin(self, key: bytes, request: bytes, expires_at: datetime) -> KeptAnswer | None:
        """None: the key was free and is taken now. Else what there is under it."""
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
        return KeptAnswer(row.request, row.status, self._opened(key, row.body))

    async def finish(self, key: bytes, status: int, body: str, expires_at: datetime) -> None:
        """Keep the answer."""
        sealed = self._keyring.encrypt(body, _context(key))
        async with self._connections.write() as connection:
            await connection.execute(
                update(answers)
                .where(answers.c.key == key)
                .values(status=status, body=sealed, expires_at=expires_at)
            )

    async def abandon(self, key: bytes) -> None:
        """The request has failed: the key is free again."""
        async with self._connections.write() as connection:
            await connection.execute(
                delete(answers).where(answers.c.key == key, answers.c.status.is_(None))
            )

    async def clear(self, before: datetime) -> int:
        """Forget those that ended before then; how many."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(answers).where(answers.c.expires_at < before))
            return int(result.rowcount)

    def _opened(self, key: bytes, sealed: bytes | None) -> str | None:
        try:
            return None if sealed is None else self._keyring.decrypt(sealed, _context(key))
        except Undecryptable:
            return None


def _context(key: bytes) -> str:
    """What an encrypted answer is bound to."""
    return f"answers.body/{key.hex()}"
