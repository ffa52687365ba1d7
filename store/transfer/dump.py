"""Records of a database for backups: the shape of each table, then its rows."""

import base64
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

from store.errors import StoreError
from store.transfer.shapes import KINDS, TableShape
from store.transfer.snapshot import Snapshot

OF_PROCESSES = frozenset({"leases", "replicas", "tunnels"})
"""Tables about running processes, which a backup does not contain."""

MAX_BATCH_CHARACTERS = 1_000_000
"""How much text of rows one record has, unless a single row has more."""

Record = dict[str, Any]


async def dump(snapshot: Snapshot) -> AsyncIterator[Record]:
    """Yield records of all tables. A table comes after those that its rows refer to.

    The events of the audit search come last, if the snapshot has them.
    """
    for shape in snapshot.shapes:
        if shape.name in OF_PROCESSES:
            continue
        yield {
            "kind": "table",
            "name": shape.name,
            "columns": [list(one) for one in shape.columns],
            "key": list(shape.key),
        }
        async for batch in snapshot.batches(shape):
            for rows in _split([_encoded(shape, row) for row in batch]):
                yield {"kind": "rows", "table": shape.name, "rows": rows}


def shape_of(record: Record) -> TableShape:
    """Return the shape in a record. Raises StoreError if it is none."""
    columns = tuple((str(name), str(kind)) for name, kind in record["columns"])
    if not {kind for _, kind in columns} <= KINDS:
        raise StoreError("the backup has columns of a kind that this version doesn't know")
    return TableShape(str(record["name"]), columns, tuple(map(str, record["key"])))


def decoded(shape: TableShape, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return rows as they are stored. Raises StoreError if one is malformed."""
    try:
        return [
            {
                name: None if value is None else _DECODERS.get(kind, _same)(value)
                for (name, kind), value in zip(shape.columns, row, strict=True)
            }
            for row in rows
        ]
    except (TypeError, ValueError) as exc:
        raise StoreError(f"the backup has a malformed row of {shape.name}") from exc


def _encoded(shape: TableShape, row: Sequence[Any]) -> list[Any]:
    return [
        None if value is None else _ENCODERS.get(kind, _same)(value)
        for (_, kind), value in zip(shape.columns, row, strict=True)
    ]


def _split(rows: list[list[Any]]) -> list[list[list[Any]]]:
    """Return the rows in parts of bounded size."""
    parts: list[list[list[Any]]] = []
    size = MAX_BATCH_CHARACTERS
    for row in rows:
        weight = sum(len(value) for value in row if isinstance(value, str))
        if size + weight > MAX_BATCH_CHARACTERS:
            parts.append([])
            size = 0
        parts[-1].append(row)
        size += weight
    return parts


def _same(value: Any) -> Any:
    return value


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda value: base64.b64encode(value).decode("ascii"),
    "time": lambda value: value.isoformat(),
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda value: base64.b64decode(value, validate=True),
    "time": datetime.fromisoformat,
}
