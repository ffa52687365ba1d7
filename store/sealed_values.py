"""All encrypted values of the database, found by the schema: the columns of the type ``Sealed``.

A value is bound to its table, column, and row, by one rule for all of them. So a new column needs
no code of its own to be checked.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Row, Table, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.encryption import Keyring, Undecryptable
from store.tables import REPLACED, Sealed, metadata

BATCH = 500
"""Rows that are read at a time."""

MOST_NAMED = 100
"""Records of a table that are named."""


@dataclass(frozen=True, slots=True)
class SealedTable:
    """How many records of a table have encrypted values, and which of them no key opens.

    ``closed`` has names and reasons of the first ones. ``closed_count`` counts all.
    """

    table: str
    count: int
    closed_count: int = 0
    closed: tuple[tuple[str, str], ...] = ()


def sealing_context(column: Column[bytes], key: str | bytes) -> str:
    """Return the context to which an encrypted value is bound: its table, column, and row."""
    name = key.hex() if isinstance(key, bytes) else key
    return f"{column.table.name}.{column.name}/{name}"


def sealed_columns(table: Table) -> list[Column[bytes]]:
    """Return the columns of a table with encrypted values."""
    return [one for one in table.columns if isinstance(one.type, Sealed)]


def is_replaced(column: Column[bytes]) -> bool:
    """Return whether use replaces a lost value, so that one that no key opens can be dropped."""
    return bool(column.info.get(REPLACED))


SEALED_TABLES = tuple(one for one in metadata.sorted_tables if sealed_columns(one))
"""The tables with encrypted values."""


async def check_sealed_values(
    connection: AsyncConnection, keyring: Keyring
) -> AsyncIterator[SealedTable]:
    """Decrypt every encrypted value of the database. Yield what was found, by table."""
    for table in SEALED_TABLES:
        columns = sealed_columns(table)
        count, closed_count = 0, 0
        closed: list[tuple[str, str]] = []
        async for row in sealed_rows(connection, table, columns):
            count += 1
            reason = why_closed(row, columns, keyring)
            if reason:
                closed_count += 1
                if len(closed) < MOST_NAMED:
                    closed.append((shown_name(row.shown), reason))
        yield SealedTable(table.name, count, closed_count, tuple(closed))


async def sealed_rows(
    connection: AsyncConnection, table: Table, columns: list[Column[bytes]]
) -> AsyncIterator[Row[Any]]:
    """Yield the rows with an encrypted value, a batch at a time: reads have no transaction."""
    (key,) = table.primary_key.columns
    filled = or_(*(one.is_not(None) for one in columns))
    named = table.c.get("name")
    shown = named if named is not None and named.unique else key
    wanted = (
        select(key.label("key"), shown.label("shown"), *columns)
        .where(filled)
        .order_by(key)
        .limit(BATCH)
    )
    rows = (await connection.execute(wanted)).all()
    while rows:
        for row in rows:
            yield row
        rows = (await connection.execute(wanted.where(key > rows[-1].key))).all()


def why_closed(row: Row[Any], columns: list[Column[bytes]], keyring: Keyring) -> str:
    """Return why a value of the row cannot be decrypted; empty: all can."""
    for column in columns:
        value = row._mapping[column]
        try:
            if value is not None:
                keyring.decrypt(value, sealing_context(column, row.key))
        except Undecryptable as exc:
            return str(exc)
    return ""


def shown_name(name: object) -> str:
    """Return the name of a row for messages."""
    return name.hex() if isinstance(name, bytes) else str(name)
