"""Clusters: list, import, change and remove.

A cluster that does not exist and one that the caller may not enter get the same response.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from aiohttp import web
from pydantic import Field

from config.loggers import get_logger
from management.api import response_models
from management.api.authentication import caller_of
from management.api.cluster_connection import ClusterConnection, changed_connection
from management.api.cluster_failures import IMPORT, cluster_problems
from management.api.cluster_reach import changed_reach
from management.api.listing import MAX_ITEMS, Item, Listing, PageRequest
from management.api.openapi_metadata import FLAG, openapi
from management.api.order_access import imported, order_of
from management.api.order_models import OrderChange
from management.api.order_visibility import caller_after_import, not_imported, sees_order
from management.api.preconditions import PATCHES, check_match, conflict, read_patch
from management.api.request_models import Labels, query_flag
from management.api.services import services_of
from management.api.v1 import cluster_orders
from management.api.v1.cluster_responses import (
    cluster_json,
    order_item,
    revision_of,
    shown,
    shown_order,
)
from management.authorization.role_catalog import RoleCatalog
from management.clusters.cluster_identity import ID, NAME
from management.clusters.members import MemberService
from management.clusters.service import ClusterService, RemoveResult
from management.errors import ClusterOperationFailed
from management.http.body import read_json
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.kubernetes.cluster_client import unreadable
from management.kubernetes.errors import ClusterApiError
from store.errors import StaleRevision
from store.order_records import Order, OrderSummary
from store.pieces import in_pieces
from store.records import Cluster, ImpersonatorMode, Reach, UsernameMapping

_LOG = get_logger(__name__)


class ClusterSpec(ClusterConnection):
    """The fields of a cluster that can be changed.

    ``username_mapping`` is the username that the cluster sees; ``impersonator`` is whether the
    proxy uses one account in the cluster for all users, or one for each. A changed ``servers``,
    ``ca_pem`` or ``tls_server_name`` needs ``kubeconfig`` or ``token`` of an administrator of the
    same cluster: Sekisho checks that it is the same cluster and creates new tokens for itself.
    Members and their kubeconfigs stay. ``reach: agent`` needs an agent that is connected, and
    ``reach: direct`` needs ``servers`` with such a credential. ``provision`` is what is ordered.
    """

    name: Annotated[str, Field(pattern=NAME.pattern)]
    username_mapping: UsernameMapping = "id"
    impersonator: ImpersonatorMode = "shared"
    labels: Labels = Field(default_factory=dict)
    reach: Reach = "direct"
    provision: OrderChange | None = None


async def collect(request: web.Request) -> Sequence[Item]:
    """List the clusters that the caller may enter or read, and the caller's orders."""
    store = services_of(request).store
    orders = {one.id: one for one in await store.orders.list_all()}
    clusters = await store.clusters.list_all()
    known = {one.id for one in clusters}
    pending = [one for one in orders.values() if one.id not in known and not one.release]
    return await _items(request, [*clusters, *pending], orders)


async def read_page(request: web.Request, page: PageRequest) -> Sequence[Item]:
    """Read the clusters and orders of a page, and one more."""
    store, size, after = services_of(request).store, page.limit + 1, page.place
    orders = {one.id: one for one in await store.orders.list_all()}
    field = cast(Any, page.field)
    found: list[Item] = []
    while len(found) < size:
        wanted: Any = {"descending": page.descending, "after": after, "limit": size}
        # Orders first: one that is imported in between is read twice, and not missed.
        both: list[Cluster | OrderSummary] = [
            *await store.orders.page(field, **wanted),
            *await store.clusters.page(field, **wanted),
        ]
        read = list({one.id: one for one in both}.values())
        read.sort(key=lambda one: (getattr(one, page.field), one.id), reverse=page.descending)
        del read[size:]
        found += [one for one in await _items(request, read, orders) if page.matches(one)]
        if len(read) < size:
            break
        after = (getattr(read[-1], page.field), read[-1].id)
    return found[:size]


async def _items(
    request: web.Request,
    found: Sequence[Cluster | OrderSummary],
    orders: Mapping[str, OrderSummary],
) -> list[Item]:
    """Return those of the clusters, and of the orders without one, that the caller may see."""
    services = services_of(request)
    records = [one.id for one in found if isinstance(one, Cluster)]
    caller = await caller_after_import(request, *(orders[one] for one in records if one in orders))
    statuses = await services.store.fleet.statuses(records if len(records) <= MAX_ITEMS else None)
    catalog = RoleCatalog(await services.store.roles.list_all())
    items = []
    async for one in in_pieces(found):
        if isinstance(one, OrderSummary):
            if sees_order(caller, one):
                items.append(order_item(services, caller, one))
        elif caller.access.sees_cluster(one.id):
            status = statuses.get(one.id)
            items.append(cluster_json(one, services, caller, catalog, status, orders.get(one.id)))
    return items


LIST = Listing(
    collect,
    response=response_models.ClusterResponse,
    sorts=("name", "id", "created_at"),
    filters=("name", "role"),
    kinds=frozenset({"cluster", "order", "status", "user", "group", "role", "project"}),
    labelled=True,
    read_page=read_page,
)


@openapi(response=response_models.ClusterResponse)
async def get_cluster(request: web.Request) -> web.Response:
    """Return a cluster or an order, by id or name."""
    cluster, order = imported(request), order_of(request)
    if cluster is not None:
        return await shown(request, cluster, order=order)
    assert order is not None, "the requirement has found one of both"
    return shown_order(request, order)


@openapi(
    body=ClusterSpec,
    response=response_models.ClusterResponse,
    others=(202,),
    revised=True,
    query={"dry_run": FLAG},
)
async def change_cluster(request: web.Request) -> web.Response:
    """Change a cluster's name, its connection, and how the proxy enters it, or what is ordered.

    A change of `provision` is sent alone (202). With `?dry_run=true`, it is checked, by the engine
    as well, and not made (200).
    """
    cluster, order = imported(request), order_of(request)
    patch = await read_json(request, PATCHES)
    dry_run = query_flag(request, "dry_run")
    ordered = patch.get("provision") if isinstance(patch, dict) else None
    if isinstance(patch, dict) and isinstance(ordered, dict):
        if len(patch) > 1:
            raise ApiProblem(422, "provision must be changed on its own: send it alone")
        if order is None:
            raise ApiProblem(409, "the cluster was not ordered: Sekisho only uses it")
        return await cluster_orders.change(request, order, ordered, dry_run=dry_run)
    if dry_run:
        raise ApiProblem(422, "dry_run is for provision only")
    if cluster is None:
        assert order is not None, "the requirement has found one of both"
        raise not_imported(caller_of(request), order)
    return await _change_record(request, cluster, order)


async def _change_record(
    request: web.Request, cluster: Cluster, order: Order | None
) -> web.Response:
    services = services_of(request)
    check_match(request, revision_of(cluster, order))
    current = ClusterSpec(
        name=cluster.name,
        username_mapping=cluster.username_mapping,
        impersonator=cluster.impersonator,
        labels=dict(cluster.labels),
        reach=cluster.reach,
        servers=list(cluster.servers),
        tls_server_name=cluster.tls_server_name,
    )
    body = await read_patch(request, current)
    named = await services.store.clusters.get(body.name)
    if ID.fullmatch(body.name) or (named is not None and named.id != cluster.id):
        raise ApiProblem(
            409, f'the name "{body.name}" is taken, or looks like an id: choose another'
        )
    wanted = replace(
        cluster,
        name=body.name,
        username_mapping=body.username_mapping,
        impersonator=body.impersonator,
        labels=body.labels,
    )
    try:
        changed = await _changed(request, wanted, body)
    except StaleRevision:
        raise conflict(request) from None
    if wanted.username_mapping != cluster.username_mapping and wanted.controller_token is not None:
        await MemberService(services.store).reconcile_all(changed)
    add_audit_note(request, changed=cluster.id)
    return await shown(request, replace(changed, revision=cluster.revision + 1), order=order)


async def _changed(request: web.Request, wanted: Cluster, place: ClusterSpec) -> Cluster:
    """Store the cluster, installed at its new address first if that has changed."""
    services = services_of(request)
    async with cluster_problems(request, IMPORT):
        if place.reach != wanted.reach:
            return await changed_reach(services, wanted, place.reach, place)
        to = await changed_connection(wanted, place, services.cluster_addresses)
        if to is not None:
            return await ClusterService(services.store).move(wanted, *to)
    await services.store.clusters.replace(wanted, revision=wanted.revision)
    return wanted


@openapi(
    response=response_models.RemovedClusterResponse,
    others=(202, 204),
    revised=True,
    query={"keep_cluster_objects": FLAG, "infrastructure": {"type": "string"}},
)
async def delete_cluster(request: web.Request) -> web.Response:
    """Remove a cluster and Sekisho's objects in it. Users lose access immediately.

    204 if nothing is left in the cluster; 200 says what is left. If the cluster does not respond,
    or rejects the removal, Sekisho repeats it (202, with `removal_pending`). If it will never be
    back, `?keep_cluster_objects=true` removes the cluster from Sekisho only. An ordered
    cluster needs `?infrastructure=delete`, which deletes its machines, or `keep` (202).
    """
    cluster, order = imported(request), order_of(request)
    if order is not None and (not order.release or "infrastructure" in request.query):
        return await cluster_orders.remove(request, order)
    assert cluster is not None, "the requirement has found one of both"
    if "infrastructure" in request.query:
        raise ApiProblem(422, "infrastructure is for ordered clusters only: this one is not")
    check_match(request, revision_of(cluster, order))
    services = services_of(request)
    service = ClusterService(services.store)
    keep = query_flag(request, "keep_cluster_objects")
    add_audit_note(request, deleted=cluster.id)
    if cluster.unreadable and not keep:
        raise ApiProblem(
            409,
            f"{unreadable(cluster)}; or forget it with ?keep_cluster_objects=true: what is "
            "Sekisho's in it stays there then",
        )
    if keep or cluster.controller_token is None:
        return _removed(request, await service.remove(cluster.id, keep_cluster_objects=True))
    removing = replace(cluster, removing_since=cluster.removing_since or datetime.now(UTC))
    await services.store.clusters.replace(removing)
    try:
        removed = await service.remove(cluster.id)
    except ClusterOperationFailed as exc:
        _LOG.warning("cluster not cleaned up yet", cluster=cluster.name, error=str(exc))
        responds = isinstance(exc.__cause__, ClusterApiError) and exc.__cause__.status != 0
        why = "the cluster rejects the removal" if responds else "the cluster does not respond"
        add_audit_note(request, pending=why)
        later = replace(removing, revision=cluster.revision + 1)
        return await shown(request, later, 202, order=order, removal_pending=why)
    return _removed(request, removed)


def _removed(request: web.Request, removed: RemoveResult) -> web.Response:
    """Return what is left in the cluster, also to the audit log."""
    objects = removed.objects
    if not objects.left:
        return web.Response(status=204)
    kinds = {"all": objects.untouched, "shared": objects.others, "labels": objects.labelled}
    add_audit_note(request, left=", ".join(one for one, there in kinds.items() if there))
    return web.json_response({"left": list(objects.left)})
