"""Durations and failures of reads and writes."""

import pytest

from store.connections import Database
from store.database import SqlStore
from store.errors import Conflict, StoreUnavailable
from store.statistics import StoreStatistics
from tests.store.records import a_user


def counts(statistics: StoreStatistics) -> dict[str, tuple[int, int]]:
    return {name: (sum(one.buckets), one.errors) for name, one in statistics.operations()}


async def test_reads_and_writes_are_counted_by_operation(store: SqlStore) -> None:
    before = counts(store.statistics)
    await store.users.create(a_user())
    await store.users.counts()
    after = counts(store.statistics)
    assert after["write"][0] - before["write"][0] == 1
    assert after["read"][0] - before["read"][0] >= 1
    assert all(one.seconds > 0 for _, one in store.statistics.operations())


async def test_conflict_is_no_error_of_the_store(store: SqlStore) -> None:
    await store.users.create(a_user())
    with pytest.raises(Conflict):
        await store.users.create(a_user())
    assert counts(store.statistics)["write"][1] == 0


async def test_unusable_database_is_an_error_of_the_store(store: SqlStore) -> None:
    database: Database = store._connections
    with pytest.raises(StoreUnavailable):
        async with database.write():
            raise ConnectionRefusedError
    assert counts(store.statistics)["write"][1] == 1
