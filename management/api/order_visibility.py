"""Who may see an order, and what of it, before and after its cluster is imported.

Before the import there is no cluster in which a role could be held: the orderer may read, change,
and remove the order. Afterwards the roles in the cluster decide, as for every cluster.
"""

from collections.abc import Collection
from dataclasses import replace

from aiohttp import web

from management.api.authentication import CALLER, Caller, caller_of
from management.api.services import services_of
from management.authorization.permissions import EDIT_CLUSTER, NODES, READ_CLUSTER
from management.http.problem import ApiProblem
from management.provisioning.engine_errors import without_refusal
from store.interfaces import Store
from store.order_records import Order, OrderSummary

OF_ORDERER = frozenset({EDIT_CLUSTER, READ_CLUSTER, NODES})
"""What an orderer holds before the import. Members and projects need the cluster."""

REFUSED = "The engine refused the order; users with cluster.edit can read why."
"""Shown in place of the engine's sentence about a refusal, which may repeat values of variables."""

REFUSES = "The engine refuses it; users with cluster.edit can read why."
"""The same for a refusal of something else than what is wanted, such as a deletion."""

ORDER = web.RequestKey("order", Order)


async def order_named(store: Store, id_or_name: str) -> Order | None:
    """Return the order with that id, or else with that name, unless it is released."""
    found = await store.orders.get(id_or_name) or await store.orders.by_name(id_or_name)
    return None if found is None or found.release else found


async def caller_after_import(request: web.Request, *orders: OrderSummary) -> Caller:
    """Return the caller. ``orders`` are of clusters that have a record.

    The access of a request is read before the clusters. An import stores the cluster and the access
    of its orderer at the same moment, which can be in between. So the access of an orderer who does
    not see the cluster is read again.
    """
    caller = caller_of(request)
    if any(_may_be_new(caller, one) for one in orders):
        current = await services_of(request).authenticator.revalidate(caller.authenticated)
        if current is not None:
            request[CALLER] = caller = replace(caller, authenticated=current)
    return caller


def _may_be_new(caller: Caller, order: OrderSummary) -> bool:
    return order.owner_id == caller.user.id and not caller.access.sees_cluster(order.id)


def sees_order(caller: Caller, order: OrderSummary) -> bool:
    """Return whether the caller may see an order whose cluster has no record."""
    return order.owner_id == caller.user.id or caller.access.sees_cluster(order.id)


def order_permissions(caller: Caller, order: OrderSummary) -> frozenset[str]:
    """Return what the caller holds over an order whose cluster has no record."""
    held = caller.access.in_cluster(order.id).permissions
    return held | OF_ORDERER if order.owner_id == caller.user.id else held


def shown_message(order: OrderSummary, held: Collection[str]) -> str:
    """Return what a caller who holds ``held`` may read of why an order is in its state."""
    if EDIT_CLUSTER in held:
        return order.message
    return REFUSED if order.state == "refused" else without_refusal(order.message, REFUSES)


def not_imported(caller: Caller, order: OrderSummary) -> ApiProblem:
    """Return the problem for a request that needs the cluster of an order that has none yet."""
    state = f'cluster "{order.name}" is on order ({order.state}) and not imported'
    message = shown_message(order, order_permissions(caller, order))
    return ApiProblem(409, f"{state}: {message}", note=state)


async def refuse_order(request: web.Request, name: str) -> None:
    """Raise ApiProblem with 409 for an order that is not imported yet, if the caller may see it."""
    order, caller = await order_named(services_of(request).store, name), caller_of(request)
    if order is not None and sees_order(caller, order):
        raise not_imported(caller, order)
