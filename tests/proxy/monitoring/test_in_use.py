"""Users and tokens are counted by one process of all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from proxy.monitoring.in_use import InUse
from store.interfaces import Store
from tests.management import conftest
from tests.store.records import a_token, a_user
from tests.support.waiting import eventually

store = conftest.store
OFTEN = 0.02


@asynccontextmanager
async def reading(store: Store) -> AsyncIterator[InUse]:
    in_use = InUse(store)
    task = asyncio.create_task(in_use.read_forever(OFTEN))
    try:
        yield in_use
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_one_process_counts_and_another_continues_after_its_end(store: Store) -> None:
    users = await store.users.counts()
    await store.users.create(a_user("zoe"))
    await store.tokens.create(a_token(user="u-zoe", expires_at=None))
    async with reading(store) as first:
        await eventually(lambda: first.latest is not None)
        assert first.latest is not None
        assert first.latest.users.total == users.total + 1
        assert first.latest.tokens.tokens == 1
        async with reading(store) as second:
            reads = store.statistics.write.buckets
            before = sum(reads)
            await eventually(lambda: sum(reads) > before + 5)
            assert second.latest is None
    async with reading(store) as third:
        await eventually(lambda: third.latest is not None)
