"""Tests of what a process announces of its tunnels."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from management.tunnels.directory import TunnelDirectory
from store.agent_records import Replica
from store.database import SqlStore
from tests.management.tunnels.conftest import connected
from tests.support.agents import TestAgent
from tests.support.waiting import eventually

HERE = Replica("r-here", "machine-1", "/run/here.sock")


@asynccontextmanager
async def announcing(directory: TunnelDirectory) -> AsyncIterator[None]:
    task = asyncio.create_task(directory.announcer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _stored(store: SqlStore) -> list[tuple[str, str]]:
    return [(at.tunnel.id, at.replica.socket) for at in await store.tunnels.of_cluster("c-edge")]


async def test_tunnels_are_announced_while_they_are_open(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    async with announcing(directory):
        async with connected(directory, TestAgent()) as first:
            await eventually(lambda: _is(store, [first.id]))
            async with connected(directory, TestAgent()) as second:
                await eventually(lambda: _is(store, [first.id, second.id]))
            await eventually(lambda: _is(store, [first.id]))
        await eventually(lambda: _is(store, []))


async def test_rows_that_were_deleted_are_announced_again(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    async with announcing(directory), connected(directory, TestAgent()) as first:
        await eventually(lambda: _is(store, [first.id]))
        await store.tunnels.unregister_replica("r-here")
        async with connected(directory, TestAgent()) as second:
            await eventually(lambda: _is(store, [first.id, second.id]))


async def test_rows_are_deleted_at_the_end(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    async with connected(directory, TestAgent()) as tunnel:
        async with announcing(directory):
            await eventually(lambda: _is(store, [tunnel.id]))
        await directory.close("the server stops")
        assert await _stored(store) == []


async def _is(store: SqlStore, ids: list[str]) -> bool:
    return await _stored(store) == [(one, "/run/here.sock") for one in ids]
