"""Tests of tunnels and of the replicas that hold them, over both databases."""

import asyncio
from datetime import timedelta

import pytest

from store.agent_records import Replica, Tunnel, TunnelAt
from store.changes import ChangeHub
from store.database import SqlStore
from store.errors import RecordNotFound
from store.records import Change
from tests.store.direct_access import execute
from tests.store.records import NOW, a_cluster

TERM = timedelta(seconds=60)
FIRST = Replica("r-1", "machine-1", "/run/r-1.sock")
SECOND = Replica("r-2", "machine-2", "", "10.0.0.2:8444", "-----BEGIN CERTIFICATE-----")


def a_tunnel(tunnel_id: str = "t-1", replica: str = "r-1", cluster: str = "c-prod") -> Tunnel:
    since = NOW + timedelta(seconds=int(tunnel_id[-1]))
    return Tunnel(tunnel_id, cluster, replica, "agent-1", "node-1", "1.2.0", since)


async def _expire(url: str, replica_id: str) -> None:
    past = "2020-01-01 00:00:00+00" if url.startswith("postgres") else "2020-01-01 00:00:00.000000"
    await execute(url, f"UPDATE replicas SET expires_at = '{past}' WHERE id = '{replica_id}'")


async def test_tunnels_are_listed_with_their_replicas(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    await store.clusters.create(a_cluster("dev"))
    await store.tunnels.register_replica(FIRST, TERM)
    await store.tunnels.register_replica(SECOND, TERM)
    one, two, other = a_tunnel(), a_tunnel("t-2", "r-2"), a_tunnel("t-3", "r-2", "c-dev")
    for tunnel in (two, one, other):
        await store.tunnels.open(tunnel)
    assert await store.tunnels.of_cluster("c-prod") == [
        TunnelAt(one, FIRST),
        TunnelAt(two, SECOND),
    ]
    assert [at.tunnel for at in await store.tunnels.all()] == [one, two, other]
    assert await store.tunnels.of_cluster("c-\0") == []
    await store.tunnels.close("t-1")
    await store.tunnels.close("t-1")
    assert [at.tunnel for at in await store.tunnels.of_cluster("c-prod")] == [two]
    await store.clusters.delete("c-dev")
    assert [at.tunnel for at in await store.tunnels.all()] == [two]


async def test_tunnel_of_unknown_cluster_or_replica_is_refused(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    with pytest.raises(RecordNotFound):
        await store.tunnels.open(a_tunnel())
    await store.tunnels.register_replica(FIRST, TERM)
    with pytest.raises(RecordNotFound):
        await store.tunnels.open(a_tunnel(cluster="c-gone"))


async def test_several_tunnels_are_stored_and_deleted_together_or_not_at_all(
    store: SqlStore,
) -> None:
    await store.clusters.create(a_cluster())
    await store.tunnels.register_replica(FIRST, TERM)
    with pytest.raises(RecordNotFound):
        await store.tunnels.open(a_tunnel(), a_tunnel("t-2", cluster="c-gone"))
    assert await store.tunnels.all() == []
    await store.tunnels.open(a_tunnel(), a_tunnel("t-2"), a_tunnel("t-3"))
    await store.tunnels.close("t-1", "t-3", "t-9")
    assert [at.tunnel.id for at in await store.tunnels.all()] == ["t-2"]


async def test_unregistered_replica_is_gone_with_its_tunnels(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    await store.tunnels.register_replica(FIRST, TERM)
    await store.tunnels.open(a_tunnel())
    await store.tunnels.unregister_replica("r-1")
    await store.tunnels.unregister_replica("r-1")
    assert await store.tunnels.all() == []
    assert not await store.tunnels.renew(FIRST, TERM)


async def test_expired_replica_does_not_count_and_is_deleted_by_another(
    store: SqlStore, url: str
) -> None:
    await store.clusters.create(a_cluster())
    for replica in (FIRST, SECOND):
        await store.tunnels.register_replica(replica, TERM)
    await store.tunnels.open(a_tunnel())
    assert await store.tunnels.renew(FIRST, TERM)
    await _expire(url, "r-1")
    assert await store.tunnels.all() == []
    async with store.changes.subscribe() as changes:
        assert await store.tunnels.renew(SECOND, TERM)
        # Over SQLite, the write of _expire may be noticed now, which replaces what waits.
        while await anext(changes) not in (Change("tunnels", "c-prod"), Change("all")):
            pass
    assert not await store.tunnels.renew(FIRST, TERM)


async def test_replica_registered_again_has_the_tunnels_that_it_holds(
    store: SqlStore, url: str
) -> None:
    await store.clusters.create(a_cluster())
    await store.tunnels.register_replica(FIRST, TERM)
    await store.tunnels.open(a_tunnel())
    await _expire(url, "r-1")
    held = [a_tunnel("t-2"), a_tunnel("t-3", cluster="c-gone")]
    await store.tunnels.register_replica(FIRST, TERM, held)
    assert [at.tunnel for at in await store.tunnels.all()] == [held[0]]


async def test_many_replicas_that_renew_at_once_purge_without_failing(
    store: SqlStore, url: str
) -> None:
    await store.clusters.create(a_cluster())
    names = [f"r-{n}" for n in range(8)]
    for name in names:
        await store.tunnels.register_replica(Replica(name, "machine-1"), TERM)
        await store.tunnels.open(a_tunnel(f"t-{name[-1]}", name))
    for name in names[:4]:
        await _expire(url, name)
    renewed = await asyncio.gather(
        *(store.tunnels.renew(Replica(name, "machine-1"), TERM) for name in names)
    )
    assert renewed == [False] * 4 + [True] * 4
    assert [at.replica.id for at in await store.tunnels.all()] == names[4:]


async def test_opened_and_closed_tunnels_are_announced(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    await store.tunnels.register_replica(FIRST, TERM)
    assert isinstance(store.changes, ChangeHub)
    async with store.changes.subscribe() as changes:
        await store.tunnels.open(a_tunnel())
        await store.tunnels.close("t-1")
        await store.tunnels.open(a_tunnel())
        await store.tunnels.unregister_replica("r-1")
        seen = 0
        while seen < 4:
            seen += await anext(changes) == Change("tunnels", "c-prod")
