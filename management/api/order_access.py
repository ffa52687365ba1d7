"""The requirement of endpoints for clusters and for orders that are not imported yet."""

from dataclasses import dataclass

from aiohttp import web

from management.api.access_requirements import (
    CLUSTER,
    GlobalPermission,
    no_such_cluster,
    require_held_in_cluster,
    require_in_cluster,
    require_token_for,
)
from management.api.authentication import caller_of
from management.api.order_visibility import (
    ORDER,
    caller_after_import,
    order_named,
    order_permissions,
    sees_order,
)
from management.api.services import services_of
from management.authorization.permissions import CREATE_CLUSTERS, PROVISION_CLUSTERS
from store.order_records import Order
from store.records import Cluster


@dataclass(frozen=True, slots=True)
class InClusterOrOrder:
    """Access to the cluster of the path, or to its order before the cluster is imported."""

    permission: str | None = None

    def __str__(self) -> str:
        return f"{self.permission} in the cluster" if self.permission else "access to the cluster"

    async def check(self, request: web.Request) -> None:
        """Store the cluster and its order in the request. Raise ApiProblem with 404 or 403."""
        name, caller = request.match_info["cluster"], caller_of(request)
        store = services_of(request).store
        cluster = await store.clusters.get(name)
        if cluster is None:
            order = await order_named(store, name)
            if order is None or not sees_order(caller, order):
                raise no_such_cluster(name)
            request[ORDER] = order
            require_held_in_cluster(order_permissions(caller, order), self.permission)
            return
        order = await store.orders.get(cluster.id)
        if order is not None:
            request[ORDER] = order
            caller = await caller_after_import(request, order)
        if not caller.access.sees_cluster(cluster.id):
            raise no_such_cluster(name)
        request[CLUSTER] = cluster
        require_token_for(caller, cluster)
        require_in_cluster(caller, cluster, self.permission)


@dataclass(frozen=True, slots=True)
class MayAddClusters:
    """The permission to import clusters, or to order them; the endpoint checks which."""

    def __str__(self) -> str:
        return f"{CREATE_CLUSTERS}, or {PROVISION_CLUSTERS} to order"

    async def check(self, request: web.Request) -> None:
        """Raise ApiProblem with 403 if the caller holds neither."""
        if PROVISION_CLUSTERS not in caller_of(request).access.global_permissions:
            await GlobalPermission(CREATE_CLUSTERS).check(request)


def order_of(request: web.Request) -> Order | None:
    """Return the order that the requirement has found, or None."""
    return request.get(ORDER)


def imported(request: web.Request) -> Cluster | None:
    """Return the cluster that the requirement has found, or None."""
    return request.get(CLUSTER)
