"""Ordered clusters: place, change, and remove orders, and their machines."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aiohttp import web

from management.api.authentication import Caller, caller_of
from management.api.management_choice import managements, owned_management
from management.api.order_access import imported
from management.api.order_models import Adoption, NewOrder, OrderChange, OrderContent, WorkerPool
from management.api.order_problems import order_problems
from management.api.preconditions import check_match, conflict
from management.api.request_models import query_flag
from management.api.services import services_of
from management.api.v1.cluster_responses import revision_of, shown, shown_order
from management.authorization.builtin_roles import USER_BASE
from management.clusters.cluster_identity import ID, NameTaken
from management.clusters.service import ClusterService
from management.http.body import validated
from management.http.merge_patch import merge
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.provisioning.attaching import attach
from management.provisioning.class_choice import choose, class_of
from management.provisioning.classes import ClusterClass, InvalidOrder, Problem
from management.provisioning.orders import Orderer, require_changeable
from store.errors import StaleRevision
from store.order_records import Order, Pool, WantedCluster

POOL = "workers"
"""The name of the pool of an order that has a number of workers and no pools."""


async def place(request: web.Request, name: str, body: NewOrder, *, dry_run: bool) -> web.Response:
    """Check an order, and store it unless ``dry_run``. The caller becomes the cluster's owner."""
    services, caller = services_of(request), caller_of(request)
    orderer = _orderer(caller)
    with order_problems():
        possible = await managements(services, body.management)
        choice = await choose(services.orders.classes, possible, body.class_name, orderer.roles)
        wanted = WantedCluster(
            class_name=choice.chosen.name,
            version=body.version,
            control_plane_replicas=body.control_plane.replicas,
            pools=_pools(body.workers, body.pools, choice.chosen, ()),
            variables=body.variables,
            reach=body.reach,
        )
        order = await services.orders.place(name, wanted, choice, orderer, dry_run=dry_run)
    _note(request, "cluster.provision", order, dry_run=dry_run)
    return shown_order(request, order, 200 if dry_run else 202)


async def adopt(request: web.Request, name: str, body: Adoption) -> web.Response:
    """Store an order for a Cluster that others made.

    Who adopts it becomes its owner, so they must be able to read its kubeconfig anyway, as owners
    of the management cluster can. The permission to edit its record does not include that.
    """
    services, caller = services_of(request), caller_of(request)
    if ID.fullmatch(name):
        raise ApiProblem(409, NameTaken.hidden)
    with order_problems():
        management = await owned_management(
            services, caller, body.management, "who adopts becomes the owner, so it needs"
        )
        order = await services.orders.adopt(
            name, body.cluster, body.reach, management, _orderer(caller)
        )
    _note(request, "cluster.adopt", order)
    return shown_order(request, order, 202)


async def change(
    request: web.Request, order: Order, patch: Mapping[str, object], *, dry_run: bool
) -> web.Response:
    """Change what an order wants, by a merge patch of ``provision``, or where its Cluster is."""
    if "management" in patch:
        return await _attach(request, order, patch, dry_run=dry_run)
    services, cluster = services_of(request), imported(request)
    check_match(request, revision_of(cluster, order))
    validated(OrderChange, json.dumps(patch))
    with order_problems():
        require_changeable(order)
        management = await services.store.management_clusters.get(order.management_id)
        if management is None:
            raise ApiProblem(409, "the management cluster was removed meanwhile")
        choice = await class_of(services.orders.classes, management, order.wanted.class_name)
        wanted = _changed(order.wanted, patch, choice.chosen)
        try:
            changed = await services.orders.change(order, wanted, choice, dry_run=dry_run)
        except StaleRevision:
            raise conflict(request) from None
    _note(request, _act(order.wanted, wanted), changed, dry_run=dry_run)
    return await _shown(request, changed, 200 if dry_run else 202)


async def _attach(
    request: web.Request, order: Order, patch: Mapping[str, object], *, dry_run: bool
) -> web.Response:
    """Attach an order to its Cluster in another management cluster, or to a restored one.

    Its kubeconfig there lets Sekisho in, so this needs what adopting it would need.
    """
    services, caller = services_of(request), caller_of(request)
    check_match(request, revision_of(imported(request), order))
    named = validated(OrderChange, json.dumps(patch)).management
    if named is None or len(patch) > 1:
        raise ApiProblem(422, "provision: management is given alone, with a cluster's name")
    with order_problems():
        management = await owned_management(
            services, caller, named, "attaching an order to a Cluster needs"
        )
        try:
            attached = await attach(services.store, order, management, dry_run=dry_run)
        except StaleRevision:
            raise conflict(request) from None
    _note(request, "cluster.reattach", attached, dry_run=dry_run)
    return await _shown(request, attached, 200 if dry_run else 202)


async def _shown(request: web.Request, order: Order, status: int) -> web.Response:
    """Return the cluster of a changed order, or the order while it is not imported."""
    cluster = imported(request)
    if cluster is None:
        return shown_order(request, order, status)
    return await shown(request, cluster, status, order=order)


async def remove(request: web.Request, order: Order) -> web.Response:
    """Delete an order with its machines, or release it, as ``?infrastructure=`` says."""
    services, cluster = services_of(request), imported(request)
    check_match(request, revision_of(cluster, order))
    how = request.query.get("infrastructure", "keep" if order.adopted else "")
    keep_objects = query_flag(request, "keep_cluster_objects")
    if how not in {"delete", "keep"}:
        raise ApiProblem(
            422,
            "infrastructure must be given for an ordered cluster: delete (its machines are "
            "deleted) or keep (they stay, and cost what they cost)",
        )
    if how == "delete":
        if order.adopted:
            raise ApiProblem(
                422, "infrastructure: the cluster was adopted; delete it where it was made"
            )
        if keep_objects:
            raise ApiProblem(422, "keep_cluster_objects is for infrastructure=keep only")
        if order.state == "paused":
            raise ApiProblem(409, f"the engine would not delete it. {order.message}")
    requested = await services.store.orders.delete_requested(
        order.id, "delete" if how == "delete" else "keep"
    )
    _note(request, "cluster.delete" if how == "delete" else "cluster.release", requested)
    if cluster is None:
        return shown_order(request, requested, 202)
    if keep_objects:
        await ClusterService(services.store).remove(cluster.id, keep_cluster_objects=True)
        return shown_order(request, requested, 202)
    now = await services.store.clusters.get(cluster.id)
    return await shown(request, now or cluster, 202, order=requested)


def _orderer(caller: Caller) -> Orderer:
    roles: Collection[str] = {*caller.access.roles.get("", ()), USER_BASE}
    return Orderer(caller.user.id, caller.user.username, roles)


def _pools(
    workers: int | None,
    pools: Sequence[WorkerPool] | None,
    chosen: ClusterClass,
    before: Sequence[Pool],
) -> tuple[Pool, ...]:
    """Return the pools. The kind of each is that of its class; an unknown class is found later."""
    if pools is not None:
        return tuple(
            Pool(
                one.name,
                one.class_name,
                one.replicas,
                found.kind if (found := chosen.worker(one.class_name)) else "deployment",
            )
            for one in pools
        )
    if workers is None:
        return tuple(before)
    if len(before) > 1:
        names = ", ".join(one.name for one in before)
        raise InvalidOrder(Problem("workers", f"there are several pools; give pools: {names}"))
    if before:
        return (replace(before[0], replicas=workers),)
    if not chosen.workers:
        if workers == 0:
            return ()
        raise InvalidOrder(Problem("workers", f"class {chosen.name} has no classes of workers"))
    first = chosen.workers[0]
    return (Pool(POOL, first.name, workers, first.kind),)


def _changed(
    wanted: WantedCluster, patch: Mapping[str, object], chosen: ClusterClass
) -> WantedCluster:
    """Return what is wanted after a merge patch (RFC 7396), which is an ``OrderChange``."""
    if patch.get("workers") is not None and patch.get("pools") is not None:
        raise ApiProblem(422, "provision: give either workers or pools")
    current = OrderContent(
        version=wanted.version,
        control_plane={"replicas": wanted.control_plane_replicas},  # type: ignore[arg-type]
        pools=[
            WorkerPool(name=one.name, class_name=one.worker_class, replicas=one.replicas)
            for one in wanted.pools
        ],
        variables=dict(wanted.variables),
    )
    base = current.model_dump(mode="json", by_alias=True)
    if patch.get("workers") is not None:
        del base["pools"]
    merged = validated(OrderContent, json.dumps(merge(base, patch)))
    pools = _pools(merged.workers, merged.pools, chosen, wanted.pools)
    return replace(
        wanted,
        version=merged.version,
        control_plane_replicas=merged.control_plane.replicas,
        pools=pools,
        variables=merged.variables,
    )


def _act(before: WantedCluster, after: WantedCluster) -> str:
    """Return the name of a change in the audit log: the version's, if that changes."""
    return "cluster.upgrade" if after.version != before.version else "cluster.scale"


def _note(request: web.Request, act: str, order: Order, *, dry_run: bool = False) -> None:
    """Note what was done to which order, with the names of variables and never their values."""
    wanted = order.wanted
    facts = {
        "action": act,
        "order": order.id,
        "management": order.management_id,
        "class": wanted.class_name,
        "version": wanted.version,
        "sizes": ", ".join(f"{one.name}={one.replicas}" for one in wanted.pools),
        "variables": ", ".join(sorted(wanted.variables)),
        "engine_uid": order.engine_uid or "",
        "dry_run": "true" if dry_run else "",
    }
    add_audit_note(request, **{name: value for name, value in facts.items() if value})
