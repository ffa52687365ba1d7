"""The registry of clusters, with a real store."""

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from config.dialing import NO_WAY
from proxy.metrics.proxy_metrics import ProxyMetrics
from proxy.upstream.errors import UpstreamConnectError
from proxy.upstream.limits import PoolLimits
from proxy.upstream.pool import ConnectionPool
from proxy.upstream.registry import UpstreamRegistry
from store.encryption import Keyring
from store.interfaces import Store
from store.records import Cluster, CredentialSource
from tests.support.other_connection import other_connection
from tests.support.stores import open_new_store

CLUSTER = Cluster(
    id="c-aaaaaaaaaa",
    name="one",
    servers=("https://127.0.0.1:1",),
    ca_pem=None,
    tls_server_name=None,
    impersonator_token="token",
    controller_token=None,
    credential_source=CredentialSource.STATIC,
    tokens_expire_at=None,
    created_at=datetime.now(UTC),
)


async def test_missed_change_is_applied_later(tmp_path: Path) -> None:
    """Otherwise a cluster removed while the store was down would stay accessible."""
    file = tmp_path / "store.db"
    store = await open_new_store(f"sqlite:///{file}", Keyring([bytes(32)]), upgrade=True)
    directory = UpstreamRegistry(store, ProxyMetrics(CollectorRegistry()), PoolLimits())
    following = asyncio.create_task(directory.poll())
    try:
        await store.clusters.create(CLUSTER)
        await directory.load()
        assert directory.find("one") is not None
        await store.clusters.delete(CLUSTER.id)
        async with other_connection(file) as other:
            await other.execute("ALTER TABLE clusters RENAME TO away")
            await directory.refresh(CLUSTER.id)
            assert directory.find("one") is not None, "what can't be read stays as it was"
            await other.execute("ALTER TABLE away RENAME TO clusters")
        async with asyncio.timeout(60):
            while directory.find("one") is not None:
                await asyncio.sleep(0.05)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await directory.close()
        await store.close()


NAMES = ("one", "two", "three")


@pytest.mark.parametrize("after", list(itertools.permutations(NAMES)))
async def test_clusters_that_exchange_names_are_found_by_the_new_ones(
    tmp_path: Path, after: tuple[str, ...]
) -> None:
    """The changes may arrive in any order."""
    store = await open_new_store(f"sqlite:///{tmp_path}/store.db", Keyring([bytes(32)]))
    try:
        clusters = [
            replace(CLUSTER, id=f"c-{letter * 10}", name=name)
            for letter, name in zip("abc", NAMES, strict=True)
        ]
        for cluster in clusters:
            await store.clusters.create(cluster)
        for order in itertools.permutations([one.id for one in clusters]):
            directory = UpstreamRegistry(store, ProxyMetrics(CollectorRegistry()), PoolLimits())
            await rename(store, clusters, NAMES)
            await directory.load()
            await rename(store, clusters, after)
            for changed in order:
                await directory.refresh(changed)
            found = {name: directory.find(name) for name in NAMES}
            assert {name: one and one.cluster.id for name, one in found.items()} == {
                name: cluster.id for name, cluster in zip(after, clusters, strict=True)
            }
            await directory.close()
    finally:
        await store.close()


async def test_name_of_a_renamed_or_removed_cluster_is_free(tmp_path: Path) -> None:
    store = await open_new_store(f"sqlite:///{tmp_path}/store.db", Keyring([bytes(32)]))
    directory = UpstreamRegistry(store, ProxyMetrics(CollectorRegistry()), PoolLimits())
    try:
        other = replace(CLUSTER, id="c-bbbbbbbbbb", name="two")
        await store.clusters.create(CLUSTER)
        await store.clusters.create(other)
        await directory.load()
        await store.clusters.delete(CLUSTER.id)
        await store.clusters.replace(replace(other, name="one"))
        await directory.refresh(other.id)
        await directory.refresh(CLUSTER.id)
        found = directory.find("one")
        assert found is not None
        assert found.cluster.id == other.id
        assert directory.find("two") is None
    finally:
        await directory.close()
        await store.close()


async def rename(store: Store, clusters: list[Cluster], names: tuple[str, ...]) -> None:
    """Rename the clusters, through temporary names, because names are unique."""
    for number, cluster in enumerate(clusters):
        await store.clusters.replace(replace(cluster, name=f"between-{number}"))
    for cluster, name in zip(clusters, names, strict=True):
        await store.clusters.replace(replace(cluster, name=name))


async def test_cluster_that_is_reached_in_another_way_gets_another_pool(tmp_path: Path) -> None:
    store = await open_new_store(f"sqlite:///{tmp_path}/store.db", Keyring([bytes(32)]))
    store.clusters.use_dialers(lambda cluster: NO_WAY)
    directory = UpstreamRegistry(store, ProxyMetrics(CollectorRegistry()), PoolLimits())

    async def pool() -> ConnectionPool:
        await directory.refresh(CLUSTER.id)
        found = directory.find("one")
        assert found is not None
        return found.pool

    try:
        await store.clusters.create(CLUSTER)
        direct = await pool()
        await store.clusters.replace(replace(CLUSTER, reach="agent"))
        dialed = await pool()
        assert dialed is not direct
        assert direct.closed
        await store.clusters.replace(replace(CLUSTER, reach="agent", impersonator_token="new"))
        assert await pool() is dialed, "connections are kept while the way is the same"
        with pytest.raises(UpstreamConnectError) as error:
            await dialed.connect()
        assert error.value.kind == "agent_no_agent"
        await store.clusters.replace(CLUSTER)
        assert await pool() is not dialed
    finally:
        await directory.close()
        await store.close()
