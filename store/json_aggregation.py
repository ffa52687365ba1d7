"""Rows of another table inside a row: a list of lists, made by the database itself as JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _JsonRows(FunctionElement[Any]):
    """An aggregate: every row's columns as a list, and these in a list. In no order."""

    inherit_cache = True
    type = JSON()


@compiles(_JsonRows, "sqlite")
def _sqlite(element: _JsonRows, compiler: SQLCompiler, **options: Any) -> str:
    # JSON is text to SQLite, and would be quoted once more.
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
    """The rows of ``columns`` where that holds, to be a column of another query; see :func:`rows`.

    Write ``.scalar_subquery()`` behind it, and ``.correlate(…)`` before that where it needs it.
    """
    return select(_JsonRows(*columns)).where(*where)


def rows(value: Any, columns: Sequence[ColumnElement[Any]]) -> list[dict[str, Any]]:
    """What such a column held: a dictionary for each row, by the columns' names.

    PostgreSQL says NULL where there is none. Times are text in JSON; they are made times again.
    """
    names = [column.key or "" for column in columns]
    found = [dict(zip(names, one, strict=True)) for one in value or ()]
    for one in found:
        if "created_at" in one:
            one["created_at"] = _utc(one["created_at"])
    return found


def _utc(text: str) -> datetime:
    said = datetime.fromisoformat(text)
    # SQLite's has no zone: it is UTC, as every time in the store.
    return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
