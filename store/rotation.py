"""Key rotation of every encrypted value. The schema says which columns have them.

Rows change in small transactions beside running servers, so an interrupted rotation has done a
part, and another one does the rest: until then, the keyring has both keys.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Row, Table, bindparam, select, update

from store.connections import Database
from store.encryption import Keyring, Undecryptable
from store.errors import StoreUnavailable
from store.sealed_values import (
    SEALED_TABLES,
    is_replaced,
    sealed_columns,
    sealed_rows,
    sealing_context,
    shown_name,
    why_closed,
)

BATCH = 100
"""Rows of one transaction, which SQLite's other writers wait for."""

MAX_PASSES = 3
"""How often rows are looked for that a server had locked, or wrote with an older key."""

MAX_NAMED = 10
"""Values that an error names."""


@dataclass(frozen=True, slots=True)
class RotatedTable:
    """The records of a table in a rotation.

    ``changed`` were encrypted again. ``dropped`` of them lost a value that no key opens, and that
    use replaces. ``left`` are those that still need another key than the first.
    """

    table: str
    changed: int
    dropped: int
    left: int


async def rotate_sealed_values(connections: Database, keyring: Keyring) -> list[RotatedTable]:
    """Encrypt with the first key what another one encrypted, in every table.

    Raises StoreUnavailable, and changes nothing, if no key opens a value that nothing replaces.
    """
    await _refuse_closed(connections, keyring)
    return [await _rotate_table(connections, table, keyring) for table in SEALED_TABLES]


async def _refuse_closed(connections: Database, keyring: Keyring) -> None:
    named: list[str] = []
    count = 0
    for table in SEALED_TABLES:
        async for row in _stale(connections, table, keyring):
            for column in sealed_columns(table):
                why = "" if is_replaced(column) else why_closed(row, [column], keyring)
                if not why:
                    continue
                count += 1
                if len(named) < MAX_NAMED:
                    named.append(f"{column} of {shown_name(row.shown)} ({why})")
    if count:
        more = f", and {count - len(named)} more" if count > len(named) else ""
        raise StoreUnavailable(
            f"nothing was encrypted again, because no key opens {', '.join(named)}{more}: put the "
            "missing key back (store.encryption_keys_file), or see: sekisho admin doctor"
        )


async def _rotate_table(connections: Database, table: Table, keyring: Keyring) -> RotatedTable:
    changed = dropped = 0
    for _ in range(MAX_PASSES):
        stale = [row.key async for row in _stale(connections, table, keyring)]
        if not stale:
            return RotatedTable(table.name, changed, dropped, 0)
        for start in range(0, len(stale), BATCH):
            keys = stale[start : start + BATCH]
            of_batch = await _rotate_rows(connections, table, keys, keyring)
            changed, dropped = changed + of_batch[0], dropped + of_batch[1]
    left = len([row async for row in _stale(connections, table, keyring)])
    return RotatedTable(table.name, changed, dropped, left)


async def _rotate_rows(
    connections: Database, table: Table, keys: Sequence[Any], keyring: Keyring
) -> tuple[int, int]:
    """Encrypt these rows again. Return how many changed, and how many of them lost a value.

    Rows that a server has locked are left to the next pass: who never waits for a row is in no
    deadlock. References to a row, which other transactions check, need not wait either.
    """
    (key,) = table.primary_key.columns
    columns = sealed_columns(table)
    wanted = select(key.label("key"), *columns).where(key.in_(keys)).order_by(key)
    new: list[dict[str, Any]] = []
    dropped = 0
    async with connections.write() as connection:
        locked = wanted.with_for_update(key_share=True, skip_locked=True)
        for row in (await connection.execute(locked)).all():
            if not _is_stale(row, columns, keyring):
                continue  # a server has just written it
            values = {one.name: _resealed(row, one, keyring) for one in columns}
            if any(values[one.name] is None is not row._mapping[one] for one in columns):
                dropped += 1
            new.append({"of_key": row.key} | {f"new_{name}": one for name, one in values.items()})
        if new:
            sets: dict[str, Any] = {one.name: bindparam(f"new_{one.name}") for one in columns}
            await connection.execute(
                update(table).where(key == bindparam("of_key")).values(sets), new
            )
    return len(new), dropped


def _resealed(row: Row[Any], column: Column[bytes], keyring: Keyring) -> bytes | None:
    """Return the value, encrypted with the first key; None if no key opens it.

    A value that only came after the check, and that nothing replaces, stays as it is.
    """
    value: bytes | None = row._mapping[column]
    if value is None:
        return None
    context = sealing_context(column, row.key)
    try:
        return keyring.encrypt(keyring.decrypt(value, context), context)
    except Undecryptable:
        return None if is_replaced(column) else value


async def _stale(connections: Database, table: Table, keyring: Keyring) -> AsyncIterator[Row[Any]]:
    """Yield the rows with a value of another key than the first."""
    columns = sealed_columns(table)
    async with connections.read() as connection:
        async for row in sealed_rows(connection, table, columns):
            if _is_stale(row, columns, keyring):
                yield row


def _is_stale(row: Row[Any], columns: list[Column[bytes]], keyring: Keyring) -> bool:
    values = [row._mapping[one] for one in columns]
    return any(one is not None and keyring.needs_rotation(one) for one in values)
