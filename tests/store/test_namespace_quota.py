"""The quota of a namespace that a request and the controller store at the same time."""

import asyncio
from dataclasses import asdict, replace

import pytest
from sqlalchemy import delete, insert

from store.access_records import Project, ProjectNamespace
from store.database import SqlStore
from store.engine import make_engines
from store.locations import locate
from store.tables import project_namespaces
from tests.store.direct_access import rows
from tests.store.records import NOW, a_cluster
from tests.support.waiting import eventually

INSIDE = ProjectNamespace("c-prod", "shop-web", "uid-1", "p-shop", "p-shop", {"pods": "5"})


async def _in_project(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    await store.projects.create(Project("p-shop", "c-prod", "shop", NOW))


async def test_namespace_in_its_project_keeps_its_quota_where_wanted(store: SqlStore) -> None:
    await _in_project(store)
    await store.projects.put_namespace(replace(INSIDE, quota={"pods": "4"}))
    (before,) = await store.projects.namespaces(cluster_id="c-prod")
    await store.projects.put_namespace(replace(INSIDE, agreed="p-shop"), keep_quota=True)
    (kept,) = await store.projects.namespaces(cluster_id="c-prod")
    assert (kept.quota, kept.agreed) == ({"pods": "4"}, "p-shop")
    assert kept.joined_at == before.joined_at
    await store.projects.put_namespace(replace(INSIDE, uid="uid-2"), keep_quota=True)
    (recreated,) = await store.projects.namespaces(cluster_id="c-prod")
    assert (recreated.uid, recreated.quota) == ("uid-2", INSIDE.quota)
    await store.projects.put_namespace(replace(INSIDE, quota={"pods": "5"}))
    (replaced,) = await store.projects.namespaces(cluster_id="c-prod")
    assert replaced.quota == {"pods": "5"}


@pytest.mark.parametrize("existing", [False, True])
async def test_record_that_waits_for_a_change_of_the_quota_keeps_it(
    url: str, store: SqlStore, *, existing: bool
) -> None:
    """The change has begun and is not committed when the controller records the namespace."""
    await _in_project(store)
    if existing:
        await store.projects.put_namespace(INSIDE)
    engines = make_engines(locate(url))
    changed = asdict(replace(INSIDE, quota={"pods": "4"}))
    async with engines.writer.connect() as connection:
        transaction = await connection.begin()
        await connection.execute(delete(project_namespaces))
        await connection.execute(insert(project_namespaces).values(**changed))
        record = asyncio.create_task(store.projects.put_namespace(INSIDE, keep_quota=True))
        if connection.dialect.name == "postgresql":
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            await eventually(lambda: _some(url, waits))
        assert not record.done()
        await transaction.commit()
    await record
    (stored,) = await store.projects.namespaces(cluster_id="c-prod")
    assert stored.quota == {"pods": "4"}
    await engines.dispose()


async def _some(url: str, query: str) -> bool:
    return (await rows(url, query))[0][0] != 0
