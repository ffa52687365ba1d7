"""Orders and management clusters for tests, with default values."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from store.interfaces import Store
from store.order_records import (
    ManagementCluster,
    Order,
    OrderLimits,
    OrderSummary,
    Pool,
    WantedCluster,
    WantedSummary,
)
from tests.store.records import NOW, a_cluster

NO_LIMITS = OrderLimits()


def a_management(name: str = "mgmt", **values: Any) -> ManagementCluster:
    management = ManagementCluster(
        cluster_id=f"c-{name}",
        namespace="sekisho-clusters",
        token="provisioner-secret",
        token_expires_at=NOW + timedelta(days=30),
    )
    return replace(management, **values)


def wanting(workers: int = 2, **values: Any) -> WantedCluster:
    wanted = WantedCluster(
        class_name="standin",
        version="v1.36.3",
        control_plane_replicas=1,
        pools=(Pool("workers", "worker", workers),),
        variables={"region": "europe-west1", "sizes": [1, 2]},
    )
    return replace(wanted, **values)


def an_order(name: str = "shop", workers: int = 2, **values: Any) -> Order:
    order = Order(
        id=f"c-{name}",
        name=name,
        management_id="c-mgmt",
        engine_name=name,
        wanted=wanting(workers),
        owner_id="u-alice",
        user_name="alice",
        created_at=NOW,
        state_since=NOW,
    )
    return replace(order, **values)


def summary_of(order: Order) -> OrderSummary:
    """Return what is read of an order without its variables."""
    known = {one.name: getattr(order, one.name) for one in fields(OrderSummary)}
    wanted = {one.name: getattr(order.wanted, one.name) for one in fields(WantedSummary)}
    return OrderSummary(**known | {"wanted": WantedSummary(**wanted)})


async def with_management(store: Store, *names: str, **values: Any) -> None:
    """Store management clusters; one named ``mgmt`` by default."""
    for name in names or ("mgmt",):
        await store.clusters.create(a_cluster(name))
        await store.management_clusters.put(a_management(name, **values))
