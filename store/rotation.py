"""Key rotation of a table with one encrypted column."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.encryption import Keyring


async def rotate_column(
    connection: AsyncConnection,
    key: Column[Any],
    value: Column[Any],
    keyring: Keyring,
    resealed: Callable[[Any], Any],
) -> int:
    """Encrypt with the first key what another one encrypted. Return the number of changes.

    ``key`` and ``value`` are columns of the table. ``resealed`` returns a row's value, encrypted
    with the first key, and raises StoreUnavailable if it cannot be decrypted.
    """
    changed = 0
    table = key.table
    for row in (await connection.execute(select(table).with_for_update())).all():
        values = row._mapping
        if keyring.needs_rotation(values[value]):
            new = update(table).where(key == values[key]).values({value: resealed(row)})
            await connection.execute(new)
            changed += 1
    return changed
