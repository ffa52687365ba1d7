"""The columns of a table and their kinds, independent of the database and of this version."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    cast,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from store.audit_table import audit_metadata
from store.tables import Sealed, UtcDateTime, metadata, schema_support

AUDIT_TABLES = frozenset(audit_metadata.tables)
"""Tables that SQLite has in a second file."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table: pairs of column name and kind, and the names of its primary key.

    ``serial`` is the column that the database numbers, or None.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    serial: str | None = None


def current_shapes() -> list[TableShape]:
    """Return all tables of this version. A table comes after those that its rows refer to."""
    every = [*metadata.sorted_tables, *audit_metadata.sorted_tables]
    # What a database says about its own schema is not copied with its rows.
    return [_shape(table) for table in every if table is not schema_support]


def is_wide(table: str, column: str) -> bool:
    """Return whether a column of this version has integers of 64 bits in PostgreSQL."""
    every = {**metadata.tables, **audit_metadata.tables}
    return isinstance(every[table].columns[column].type, BigInteger)


def as_table(shape: TableShape, dialect: str) -> Table:
    """Return a table whose values are stored and read as they are in ``dialect``."""
    return Table(
        shape.name,
        MetaData(),
        *(
            Column(name, _type(kind, dialect), primary_key=name in shape.key, autoincrement=False)
            for name, kind in shape.columns
        ),
    )


class _JsonText(TypeDecorator[str]):
    """PostgreSQL's JSON as the text that is stored. NULL and JSON's null stay distinct."""

    impl = Text
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        """Convert the text in the database."""
        return cast(cast(bindparam, Text), JSON)

    def column_expression(self, column: Any) -> Any:
        """Return the text."""
        return cast(column, Text)


_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "text": Text,
    "bytes": Sealed,
    "time": UtcDateTime,
    "boolean": Boolean,
    "integer": BigInteger,
    "float": Float,
}
"""The SQL types of kinds; ``json`` differs between databases."""

KINDS = frozenset({*_TYPES, "json"})


def _type(kind: str, dialect: str) -> type[TypeEngine[Any]]:
    if kind == "json":
        return _JsonText if dialect == "postgresql" else Text
    return _TYPES[kind]


def _shape(table: Table) -> TableShape:
    serials = [one for one in _numbered(table) if one.primary_key]
    return TableShape(
        table.name,
        tuple((one.name, _kind(one)) for one in table.columns),
        tuple(one.name for one in table.primary_key.columns),
        serials[0].name if serials else None,
    )


def _numbered(table: Table) -> Iterator[Column[Any]]:
    if table.autoincrement_column is not None:
        yield table.autoincrement_column


def _kind(column: Column[Any]) -> str:
    kinds: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
        (JSON, "json"),
        (UtcDateTime, "time"),
        (Boolean, "boolean"),
        (Integer, "integer"),
        (Float, "float"),
        (LargeBinary, "bytes"),
    )
    return next((kind for one, kind in kinds if isinstance(column.type, one)), "text")
