"""Searchable events are stored in batches, wait for a store that is away, and are never awaited."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from config.audit_settings import AuditSearchSettings
from proxy.audit.index import AuditIndex
from proxy.audit.index_writer import AuditIndexWriter, prune_forever
from proxy.audit.policy import AuditPolicy
from store.audit_events import SqlAuditEvents
from store.audit_records import AuditFilter, AuditScope
from store.database import SqlStore
from store.encryption import Keyring, generate_key
from tests.proxy.request_contexts import request_context
from tests.store.test_audit_events import an_event
from tests.support.other_connection import other_connection
from tests.support.stores import open_new_store
from tests.support.waiting import eventually

ALL, EVERY = AuditScope(everything=True), AuditFilter()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_new_store(f"sqlite:///{tmp_path}/sekisho.db", Keyring.parse(generate_key()))
    yield opened
    await opened.close()


def an_index(dropped: list[str]) -> AuditIndex:
    return AuditIndex(
        AuditPolicy(()),
        commands=False,
        max_per_minute=100_000,
        clock=lambda: 0.0,
        dropped=dropped.append,
    )


def offer(index: AuditIndex, number: int) -> None:
    for one in range(number):
        index.offer(request_context(request_id=f"r{one}"), "ResponseComplete", None)


async def stored(events: SqlAuditEvents) -> int:
    return len((await events.page(ALL, EVERY, limit=2000, after=None)).events)


async def test_events_are_stored_in_batches(store: SqlStore) -> None:
    index = an_index([])
    offer(index, 25)
    assert await AuditIndexWriter(index, store.audit, batch=10).write()
    assert await stored(store.audit) == 25


async def test_last_events_are_stored_when_the_writer_stops(store: SqlStore) -> None:
    index = an_index([])
    task = asyncio.create_task(AuditIndexWriter(index, store.audit).write_forever())
    await asyncio.sleep(0)
    offer(index, 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stored(store.audit) == 3


async def test_events_wait_in_order_while_the_store_is_away(
    store: SqlStore, tmp_path: Path
) -> None:
    dropped: list[str] = []
    index = an_index(dropped)
    writer = AuditIndexWriter(index, store.audit, batch=10)
    (tmp_path / "sekisho-audit.db").mkdir()
    offer(index, 15)
    assert not await writer.write()
    (tmp_path / "sekisho-audit.db").rmdir()
    offer(index, 1)
    assert await writer.write()
    page = await store.audit.page(ALL, EVERY, limit=100, after=None)
    by_number = sorted(page.events, key=lambda event: event.seq)
    assert [one.request_id for one in by_number] == [*(f"r{one}" for one in range(15)), "r0"]
    assert dropped == []


async def test_batch_with_unknown_outcome_is_dropped_and_counted(
    store: SqlStore, tmp_path: Path
) -> None:
    dropped: list[str] = []
    index = an_index(dropped)
    await store.audit.append([an_event()])
    offer(index, 3)
    async with other_connection(tmp_path / "sekisho-audit.db") as other:
        await other.execute("BEGIN EXCLUSIVE")
        assert not await AuditIndexWriter(index, store.audit).write(0.05)
        await other.execute("ROLLBACK")
    assert dropped == ["store"] * 3
    assert index.take(10) == []


async def test_oldest_events_are_deleted_in_the_background(store: SqlStore) -> None:
    await store.audit.append([replace(an_event(), user_id="")])
    task = asyncio.create_task(
        prune_forever(store.audit, AuditSearchSettings(max_age=timedelta(days=1)))
    )

    async def empty() -> bool:
        return await stored(store.audit) == 0

    await eventually(empty)
    task.cancel()
    await asyncio.wait([task])  # Its statement ends before the loop does.
