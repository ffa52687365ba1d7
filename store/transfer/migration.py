"""Copy a SQLite database into an empty PostgreSQL database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError

from store.errors import StoreError
from store.locations import Location
from store.schema import bring_up
from store.transfer.portability import NotPortable, refuse_unportable, row_name
from store.transfer.shapes import TableShape
from store.transfer.snapshot import Snapshot, open_snapshot
from store.transfer.target import Mismatch, Target, open_target

_OF_ROWS = ("22", "23", "54")
"""Classes of SQLSTATE: data, constraints, and limits such as the length of an index's row."""


async def copy_database(source: Location, target: Location) -> dict[str, int]:
    """Copy every row, and compare each with the row read back. Return rows by table.

    The source is locked against every other process meanwhile, and is not changed. The target is
    filled in one transaction.

    Raises:
        StoreUnavailable: a database can't be used, or a server uses the source.
        Conflict: the target is not empty.
        SchemaTooOld, SchemaTooNew: the source has the schema of another version.
        NotPortable: PostgreSQL can't store a row. The error names it.
        Mismatch: a row differs after it was written.
    """
    if source.kind != "sqlite" or target.kind != "postgresql":
        raise StoreError("only a SQLite database can be copied, and only to PostgreSQL")
    async with (
        open_snapshot(source, exclusive=True) as snapshot,
        open_target(target) as filled,
    ):
        await filled.refuse_rows()
        await refuse_unportable(snapshot)
        await bring_up(filled.connection, target.shown, upgrade=True)
        await filled.refuse_rows()  # bring_up waits for another migration, which has filled it
        copied = {one.name: await _copy(snapshot, filled, one) for one in snapshot.shapes}
        await filled.continue_numbers(snapshot.shapes)
        for shape in snapshot.shapes:
            await _verify(snapshot, filled, shape, copied[shape.name])
        return copied


async def _copy(snapshot: Snapshot, target: Target, shape: TableShape) -> int:
    rows = 0
    async for batch in snapshot.batches(shape):
        found = [dict(row._mapping) for row in batch]
        try:
            async with target.connection.begin_nested():
                await target.insert(shape, found)
        except DBAPIError:
            await _name_refused(target, shape, found)
            raise
        rows += len(batch)
    return rows


async def _name_refused(
    target: Target, shape: TableShape, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Raise NotPortable for the first of these rows that can't be inserted, if it is the row's.

    Its message has the database's code: PostgreSQL's own messages quote values.
    """
    for row in rows:
        try:
            async with target.connection.begin_nested():
                await target.insert(shape, [row])
        except DBAPIError as exc:
            code = getattr(exc.orig, "sqlstate", None) or ""
            if not code.startswith(_OF_ROWS):
                raise
            name = row_name(shape, [row[one] for one in shape.key])
            raise NotPortable([f"{name}: PostgreSQL refuses it (SQLSTATE {code})"], 1) from exc


async def _verify(snapshot: Snapshot, target: Target, shape: TableShape, expected: int) -> None:
    """Compare both databases. In a second reading, so that nothing is compared with itself."""
    async for batch in snapshot.batches(shape):
        await target.verify(shape, [dict(row._mapping) for row in batch])
    found = await target.count(shape)
    if found != expected:
        raise Mismatch(f"{shape.name} has {found} rows in place of {expected}; nothing was changed")
