"""Rows of another table as a column: a list of lists, which the database aggregates as JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from store.tables import UtcDateTime


class _JsonRows(FunctionElement[Any]):
    """An aggregate of every row's columns as a list of lists, without an order."""

    inherit_cache = True
    type = JSON()


@compiles(_JsonRows, "sqlite")
def _sqlite(element: _JsonRows, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite treats JSON as text, and would quote it again.
    columns = (
        f"json({compiler.process(column, **options)})"
        if isinstance(column.type, JSON)
        else compiler.process(column, **options)
        for column in element.clauses
    )
    return f"json_group_array(json_array({', '.join(columns)}))"


@compiles(_JsonRows, "postgresql")
def _postgresql(element: _JsonRows, compiler: SQLCompiler, **options: Any) -> str:
    columns = (compiler.process(column, **options) for column in element.clauses)
    return f"json_agg(json_build_array({', '.join(columns)}))"


def json_rows(
    columns: Sequence[ColumnElement[Any]], *where: ColumnElement[bool]
) -> Select[tuple[Any]]:
    """Return a query of ``columns`` for use as a column of another query; see :func:`rows`.

    Append ``.scalar_subquery()``, and ``.correlate(…)`` before that if needed.
    """
    return select(_JsonRows(*columns)).where(*where)


def rows(value: Any, columns: Sequence[ColumnElement[Any]]) -> list[dict[str, Any]]:
    """Return the rows in such a column, each as a dictionary by column name.

    PostgreSQL returns NULL for no rows. Times are text in JSON, and are parsed.
    """
    names = [column.key or "" for column in columns]
    times = [column.key or "" for column in columns if isinstance(column.type, UtcDateTime)]
    found = [dict(zip(names, one, strict=True)) for one in value or ()]
    for one in found:
        for name in times:
            if one[name] is not None:
                one[name] = _utc(one[name])
    return found


def _utc(text: str) -> datetime:
    said = datetime.fromisoformat(text)
    # SQLite's times have no zone. All times in the store are UTC.
    return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
