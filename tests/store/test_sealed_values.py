"""Tests of the check of all encrypted values, over the schema and both databases."""

import pytest
from sqlalchemy import Column, LargeBinary

from store.database import SqlStore
from store.sealed_values import SEALED_TABLES, sealed_columns
from store.tables import Sealed, metadata
from tests.store.direct_access import execute
from tests.store.encrypted_records import fill

SEALED = [one for table in SEALED_TABLES for one in sealed_columns(table)]

DIGESTS = {
    ("agent_tokens", "digest"),
    ("answers", "key"),
    ("answers", "request"),
    ("device_polls", "value"),
    ("spent", "value"),
    ("tokens", "digest"),
}
"""Columns of bytes that are not encrypted: digests only."""


async def test_every_value_that_was_encrypted_can_be_decrypted(store: SqlStore) -> None:
    await fill(store)
    found = {one.table: one for one in await store.check_sealed_values()}
    assert found.keys() == {one.name for one in SEALED_TABLES}
    counts = {name: (one.count, one.closed_count) for name, one in found.items()}
    assert counts == dict.fromkeys(counts, (1, 0)) | {"clusters": (2, 0)}


@pytest.mark.parametrize("column", SEALED, ids=str)
async def test_value_that_no_key_opens_is_found_in_each_encrypted_column(
    store: SqlStore, url: str, column: Column[bytes]
) -> None:
    await fill(store)
    broken = "X'0102'" if url.startswith("sqlite") else "'\\x0102'::bytea"
    table, name = column.table.name, column.name
    await execute(url, f"UPDATE {table} SET {name} = {broken} WHERE {name} IS NOT NULL")
    found = {one.table: one for one in await store.check_sealed_values() if one.closed_count}
    assert found.keys() == {table}
    assert len(found[table].closed) == found[table].closed_count == found[table].count
    assert {why for _, why in found[table].closed} == {"no configured key opens the value"}


def test_bytes_of_the_schema_are_encrypted_or_digests() -> None:
    others = {
        (table.name, one.name)
        for table in metadata.sorted_tables
        for one in table.columns
        if isinstance(one.type, LargeBinary) and not isinstance(one.type, Sealed)
    }
    assert others <= DIGESTS
