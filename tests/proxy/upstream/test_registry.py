"""The clusters in memory, in step with a real store."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from proxy.clusters import ClusterDirectory
from proxy.metrics import GateMetrics
from proxy.pool import PoolLimits
from store.database import open_store
from store.encryption import Keyring
from store.interfaces import Cluster, CredentialSource

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


async def test_a_change_that_could_not_be_read_is_read_later(tmp_path: Path) -> None:
    """Or a cluster that was removed while the store was away would stay open for ever."""
    file = tmp_path / "store.db"
    store = await open_store(f"sqlite:///{file}", Keyring([bytes(32)]), upgrade=True)
    directory = ClusterDirectory(store, GateMetrics(CollectorRegistry()), PoolLimits())
    following = asyncio.create_task(directory.refresh_while_blind())
    try:
        await store.clusters.create(CLUSTER)
        await directory.load()
        assert directory.find("one") is not None
        await store.clusters.delete(CLUSTER.id)
        with closing(sqlite3.connect(file)) as other:
            other.execute("ALTER TABLE clusters RENAME TO away")
            await directory.refresh(CLUSTER.id)
            assert directory.find("one") is not None, "what can't be read stays as it was"
            other.execute("ALTER TABLE away RENAME TO clusters")
        async with asyncio.timeout(20):
            while directory.find("one") is not None:
                await asyncio.sleep(0.05)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await directory.close()
        await store.close()
