"""Fill a database from a backup's records, in the schema that wrote them, and migrate it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from store.encryption import Keyring
from store.errors import Conflict, SchemaTooNew, StoreError
from store.key_check import check_keys
from store.schema import HEAD, bring_up, create_older
from store.tables import clusters, tokens
from store.transfer.dump import decoded, shape_of
from store.transfer.shapes import AUDIT_TABLES, TableShape, current_shapes
from store.transfer.target import Target


@dataclass(slots=True)
class Loaded:
    """The rows that were stored, by table, and what is in force again.

    ``left_out`` are rows of the backup that were not stored.
    """

    rows: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    sessions_ended: int = 0
    tokens_revoked: int = 0
    tokens_valid: int = 0
    clusters_held: int = 0


class Loader:
    """Stores records in an empty database. :meth:`begin`, :meth:`add`, :meth:`finish`.

    ``audit``: store the events of the audit search, too.
    """

    def __init__(self, target: Target, *, audit: bool = True) -> None:
        self._target = target
        self._left_out = frozenset() if audit else AUDIT_TABLES
        self._shapes: dict[str, TableShape] = {}
        self.loaded = Loaded()

    async def begin(self, schema: str, *, replace: bool) -> None:
        """Create the schema. ``replace``: delete what the database has.

        Raises:
            Conflict: the database is not empty.
            SchemaTooNew: the backup or the database has the schema of a newer version.
        """
        if schema > HEAD:
            raise SchemaTooNew(
                f"the backup was written by a newer Sekisho (its schema is {schema}, this one "
                f"knows up to {HEAD}): restore it with that version"
            )
        if replace:
            await self._target.clear()
        else:
            try:
                await self._target.refuse_rows()
            except Conflict as exc:
                raise Conflict(f"{exc}, or add --replace to delete what it has") from exc
            await self._target.clear()
        await create_older(self._target.connection, schema)

    async def add(self, record: dict[str, Any]) -> None:
        """Store a record of :func:`store.transfer.dump.dump`. Raises StoreError."""
        if record["kind"] == "table":
            shape = shape_of(record)
            self._shapes[shape.name] = shape
            if shape.name in self._left_out:
                self.loaded.left_out[shape.name] += 0
                return
            self._target.require(shape)
            self.loaded.rows[shape.name] += 0
            # A migration may have filled it.
            await self._target.empty(shape)
            return
        found = self._shapes.get(record["table"])
        if found is None:
            raise StoreError("the backup has rows of a table before the table")
        if found.name in self._left_out:
            self.loaded.left_out[found.name] += len(record["rows"])
            return
        rows = decoded(found, record["rows"])
        await self._target.insert(found, rows)
        await self._target.verify(found, rows)
        self.loaded.rows[found.name] += len(rows)

    async def finish(self, keyring: Keyring, *, keep_sessions: bool, revoke_tokens: bool) -> Loaded:
        """Migrate to this version's schema, check the keys, and hold every cluster.

        Raises KeyMismatch if ``keyring`` does not decrypt what the backup has.
        """
        connection, shown = self._target.connection, self._target.location.shown
        await bring_up(connection, shown, upgrade=True)
        await check_keys(connection, keyring, "the backup")
        await self._target.continue_numbers(current_shapes())
        if not keep_sessions:
            ended = await connection.execute(delete(tokens).where(tokens.c.kind == "session"))
            self.loaded.sessions_ended = ended.rowcount
        if revoke_tokens:
            revoked = await connection.execute(delete(tokens).where(tokens.c.kind != "session"))
            self.loaded.tokens_revoked = revoked.rowcount
        valid = tokens.c.expires_at.is_(None) | (tokens.c.expires_at > datetime.now(UTC))
        count = select(func.count()).select_from(tokens).where(valid)
        self.loaded.tokens_valid = int((await connection.execute(count)).scalar_one())
        held = await connection.execute(update(clusters).values(held_since=datetime.now(UTC)))
        self.loaded.clusters_held = held.rowcount
        return self.loaded
