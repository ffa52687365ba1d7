"""The classes from which clusters can be ordered, and the machines of ordered clusters."""

from collections.abc import Sequence

from aiohttp import web

from management.api.access_requirements import CLUSTER
from management.api.authentication import caller_of
from management.api.listing import Item, Listing
from management.api.order_access import order_of
from management.api.order_problems import order_problems
from management.api.order_response_models import ClassResponse, MachineResponse
from management.api.order_visibility import ORDER
from management.api.services import services_of
from management.authorization.builtin_roles import USER_BASE
from management.authorization.permissions import EDIT_CLUSTER, PROVISION_CLUSTERS
from management.http.problem import ApiProblem
from management.provisioning.class_choice import may_use
from management.provisioning.classes import ClusterClass
from management.provisioning.machines import MachinesReader
from store.order_records import ManagementCluster

AWAY: web.RequestKey[list[Item]] = web.RequestKey("away")

_AWAY_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"management": {"type": "string"}, "problem": {"type": "string"}},
        "required": ["management", "problem"],
        "additionalProperties": False,
    },
}


async def collect_classes(request: web.Request) -> Sequence[Item]:
    """List the classes that the caller may order from, or has a cluster of.

    `away` names management clusters whose classes could not be read now, with the reason.
    """
    services, caller = services_of(request), caller_of(request)
    roles = {*caller.access.roles.get("", ()), USER_BASE}
    orders = PROVISION_CLUSTERS in caller.access.global_permissions
    edited = {
        (one.management_id, one.wanted.class_name)
        for one in await services.store.orders.list_all()
        if one.owner_id == caller.user.id
        or EDIT_CLUSTER in caller.access.in_cluster(one.id).permissions
    }
    request[AWAY] = []
    items: list[Item] = []
    in_use = {management for management, _ in edited}
    shown = [
        one
        for one in await services.store.management_clusters.list_all()
        if orders or one.cluster_id in in_use
    ]
    every = await services.orders.classes.known_in(shown)
    for one, known in zip(shown, every, strict=True):
        cluster = await services.store.clusters.get(one.cluster_id)
        name = cluster.name if cluster is not None else ""
        if known.problem:
            request[AWAY].append({"management": name, "problem": known.problem})
        for each in known.classes.values():
            orderable = orders and may_use(one, each.name, roles)
            if orderable or (one.cluster_id, each.name) in edited:
                items.append(_class_json(each, one, name, orderable=orderable))
    return items


CLASSES = Listing(
    collect_classes,
    response=ClassResponse,
    sorts=("name", "management_name"),
    filters=("name", "management", "management_name", "orderable"),
    kinds=frozenset({"management-cluster", "order", "cluster", "user", "group", "role"}),
    notes=lambda request: {"away": request.get(AWAY, [])},
    noted={"away": _AWAY_SCHEMA},
)


async def collect_machines(request: web.Request) -> Sequence[Item]:
    """List the machines of an ordered cluster, as the engine reports them now.

    A cluster that was not ordered has none here.
    """
    services, order = services_of(request), order_of(request)
    if order is None:
        return []
    management = await services.store.management_clusters.get(order.management_id)
    if management is None:
        raise ApiProblem(409, "the management cluster was removed meanwhile")
    with order_problems():
        machines = await MachinesReader(services.store).machines(management, order.engine_name)
    return [
        {
            "name": one.name,
            "pool": one.pool,
            "phase": one.phase,
            "version": one.version,
            "node": one.node,
            "ready": one.ready,
            "deleting": one.deleting,
            "message": one.message,
        }
        for one in machines
    ]


def _concerned(request: web.Request) -> str:
    order, cluster = request.get(ORDER), request.get(CLUSTER)
    return order.id if order is not None else cluster.id if cluster is not None else ""


MACHINES = Listing(
    collect_machines,
    response=MachineResponse,
    key="name",
    sorts=("name", "pool", "phase", "version"),
    filters=("pool", "phase", "ready", "version"),
    kinds=frozenset({"order"}),
    about=_concerned,
)


def _class_json(
    found: ClusterClass, management: ManagementCluster, name: str, *, orderable: bool
) -> Item:
    return {
        "id": f"{management.cluster_id}/{found.name}",
        "name": found.name,
        "management": management.cluster_id,
        "management_name": name,
        "orderable": orderable,
        "variables": [
            {"name": one.name, "required": one.required, "schema": dict(one.schema)}
            for one in found.variables
        ],
        "workers": [{"name": one.name, "kind": one.kind} for one in found.workers],
        "versions": list(found.versions),
        "problem": found.problem,
    }
