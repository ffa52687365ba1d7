"""The order of pages in SQL, and the place at which a page begins.

Both databases order text by code point, as Python does, so that pages have the same order
everywhere.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, asc, desc, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import SafeText

Place = tuple[str | datetime, str]
"""The value of the ordered field, and the id, of the last row of the page before."""


def page_of(
    connection: AsyncConnection,
    statement: Select[Any],
    table: Table,
    field: str,
    *,
    descending: bool,
    after: Place | None,
) -> Select[Any]:
    """Return ``statement`` in order of a column and then of the id, beginning after a place."""
    binary = "C" if connection.dialect.name == "postgresql" else "BINARY"
    columns: list[ColumnElement[Any]] = [table.c[field], table.c.id]
    keys = [one.collate(binary) if isinstance(one.type, SafeText) else one for one in columns]
    if after is not None:
        values = (literal(one, key.type) for one, key in zip(after, columns, strict=True))
        found, place = tuple_(*keys), tuple_(*values)
        statement = statement.where(found < place if descending else found > place)
    turned = desc if descending else asc
    return statement.order_by(*(turned(one) for one in keys))
