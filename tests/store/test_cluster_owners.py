"""Tests of a cluster that is stored together with its owner."""

import pytest

from store.database import SqlStore
from store.errors import RecordNotFound
from store.records import Change
from tests.store.records import a_binding, a_cluster, a_user


async def test_cluster_and_its_owner_are_announced_together(store: SqlStore) -> None:
    await store.users.create(a_user())
    owner = a_binding(role="cluster-owner")
    async with store.changes.subscribe() as changes:
        await store.clusters.create(a_cluster(), owner=owner)
        announced = {await anext(changes) for _ in range(3)}
    assert announced == {
        Change("cluster", "c-prod"),
        Change("access", "c-prod"),
        Change("user", "u-alice"),
    }
    assert await store.bindings.in_cluster("c-prod") == [owner]


async def test_cluster_of_an_unknown_owner_is_not_stored(store: SqlStore) -> None:
    with pytest.raises(RecordNotFound):
        await store.clusters.create(a_cluster(), owner=a_binding("u-gone"))
    assert await store.clusters.list_all() == []
