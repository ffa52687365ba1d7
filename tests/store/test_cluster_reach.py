"""Tests of how a cluster is reached, over both databases."""

from socket import socket

from store.database import SqlStore
from tests.store.records import a_cluster


class _NoWay:
    """A dialer of one cluster that never connects."""

    ways = 0
    suspended_at = 0.0

    def __init__(self, cluster_id: str) -> None:
        self.cluster_id = cluster_id

    async def dial(self, seconds: float) -> socket:
        raise OSError(f"no way to {self.cluster_id} within {seconds} s")


async def test_cluster_of_an_agent_gets_its_dialer_and_others_none(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    await store.clusters.create(a_cluster("edge", reach="agent"))
    found = await store.clusters.get("edge")
    assert found is not None
    assert (found.reach, found.dialer) == ("agent", None)
    store.clusters.use_dialers(_NoWay)
    direct = await store.clusters.get("prod")
    assert direct is not None
    assert (direct.reach, direct.dialer) == ("direct", None)
    for one in (await store.clusters.get("c-edge"), (await store.clusters.list_all())[0]):
        assert one is not None
        assert one.reach == "agent"
        assert isinstance(one.dialer, _NoWay)
        assert one.dialer.cluster_id == "c-edge"
