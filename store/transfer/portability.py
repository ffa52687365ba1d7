"""Find what SQLite stores and PostgreSQL refuses, before anything is copied.

Sekisho stores no such value. Other programs, damaged files, and older versions may have: SQLite
checks neither the type of a value, nor its text. Rows are named by their keys, never by a value.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from store.errors import StoreError
from store.tables import metadata
from store.transfer.shapes import TableShape, is_wide
from store.transfer.snapshot import Snapshot

MOST_NAMED = 50
"""Rows that are named. All are counted."""

_MOST_KEY_CHARACTERS = 100
_INT32 = range(-(2**31), 2**31)


class NotPortable(StoreError):
    """Rows that PostgreSQL can't store. One line for each."""

    def __init__(self, problems: Sequence[str], count: int) -> None:
        rows = "row" if count == 1 else "rows"
        head = f"PostgreSQL can't store {count} {rows}; nothing was copied. Correct or delete:"
        more = [f"and {count - len(problems)} others"] if count > len(problems) else []
        self._lines = (head, *problems, *more)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each row."""
        return self._lines


async def refuse_unportable(snapshot: Snapshot) -> None:
    """Read every value of SQLite as it is stored. Raises NotPortable."""
    problems: list[str] = []
    count = 0
    for shape in snapshot.shapes:
        async for found in _problems(snapshot, shape):
            count += 1
            if len(problems) < MOST_NAMED:
                problems.append(found)
    if count:
        raise NotPortable(problems, count)


def row_name(shape: TableShape, key: Sequence[Any]) -> str:
    """Return a row's table and key for messages: printable, on one line, and bounded."""
    shown = ", ".join(f"{name}={_shown(one)}" for name, one in zip(shape.key, key, strict=True))
    return f"{shape.name} with {shown}"


def why_unportable(kind: str, value: Any, *, wide: bool = True, nullable: bool = True) -> str:
    """Return why PostgreSQL refuses a value of SQLite; empty: it does not.

    ``value`` is as :meth:`Snapshot.stored` yields it. Pure.
    """
    if value is None:
        return "" if nullable else "is NULL"
    if kind == "bytes":
        return ""  # text is read as bytes
    if kind in {"integer", "boolean", "float"}:
        return _why_no_number(kind, value, wide=wide)
    if not isinstance(value, str):
        return "is no text"
    try:
        text = value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return "has invalid UTF-8"
    if "\0" in text:
        return "has a NUL character"
    return _PARSED[kind](text) if kind in _PARSED else ""


def _why_no_number(kind: str, value: Any, *, wide: bool) -> str:
    if not isinstance(value, int | float):
        return "is no number"
    if kind == "float":
        return ""
    if not isinstance(value, int):
        return "is no whole number"
    if kind == "boolean":
        return "" if value in (0, 1) else "is neither 0 nor 1"
    return "" if wide or value in _INT32 else "is over 32 bits"


def _why_no_time(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
        (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return "is no time from year 1 to 9999"
    return ""


def _why_no_json(text: str) -> str:
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except ValueError:
        return "is no JSON (NaN and Infinity are none)"
    except RecursionError:
        return "is JSON with too many levels"
    return ""


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


_PARSED = {"time": _why_no_time, "json": _why_no_json}


async def _problems(snapshot: Snapshot, shape: TableShape) -> AsyncIterator[str]:
    """Yield the problems of a table's rows."""
    positions = [[name for name, _ in shape.columns].index(one) for one in shape.key]
    table = metadata.tables.get(shape.name)
    optional = {} if table is None else {one.name: bool(one.nullable) for one in table.columns}
    wide = {name for name, _ in shape.columns if is_wide(shape.name, name)}
    async for row in snapshot.stored(shape):
        reasons = []
        for (name, kind), value in zip(shape.columns, row, strict=True):
            needed = name in shape.key or not optional.get(name, False)
            why = why_unportable(kind, value, wide=name in wide, nullable=not needed)
            if why:
                reasons.append(f"{name} {why}")
        if reasons:
            yield f"{row_name(shape, [row[one] for one in positions])}: {', '.join(reasons)}"
    if table is not None:
        async for key, parent in snapshot.missing_parents(shape):
            yield f"{row_name(shape, key)}: it refers to a row of {parent} that does not exist"


def _shown(value: Any) -> str:
    """Return a part of a key. Text is decoded if it can be."""
    if isinstance(value, str):
        value = value.encode("latin-1").decode(errors="backslashreplace")
    shown = value.hex() if isinstance(value, bytes) else ascii(value)
    return shown if len(shown) <= _MOST_KEY_CHARACTERS else f"{shown[:_MOST_KEY_CHARACTERS]}…"
