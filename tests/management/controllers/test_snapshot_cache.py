"""A snapshot is read again after a change that was stored during the read."""

from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from management.controllers.snapshot_cache import SnapshotCache
from management.desired_state.snapshot import Snapshot, take_snapshot
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from store.records import Change, Cluster
from tests.store.records import a_binding, a_cluster, a_user
from tests.support.stores import open_new_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_new_store(f"sqlite:///{tmp_path}/store.db", Keyring.parse(generate_key()))
    await opened.clusters.create(a_cluster(ca_pem=None))
    await opened.users.create(a_user("alice"))
    yield opened
    await opened.close()


async def test_snapshot_with_a_change_during_the_read_is_read_again(store: Store) -> None:
    """A revocation must not wait for the next change."""
    cluster = a_cluster(ca_pem=None)
    binding = await store.bindings.create(a_binding("u-alice"))
    reads = 0

    async def overtaken(store: Store, cluster: Cluster, accounts: Collection[str]) -> Snapshot:
        nonlocal reads
        taken = await take_snapshot(store, cluster, accounts)
        reads += 1
        if reads == 1:
            await store.bindings.delete(binding.id)
            assert cache.on_store_change(Change("access", cluster.id))
        return taken

    cache = SnapshotCache(store, cluster, overtaken)
    assert [one.id for one in (await cache.current(frozenset())).bindings] == [binding.id]
    assert (await cache.current(frozenset())).bindings == []
    await cache.current(frozenset())
    assert reads == 2
