"""Clusters and their orders as the API shows them."""

from datetime import datetime

from aiohttp import web

from management.api.authentication import Caller, caller_of
from management.api.cluster_details import cluster_details
from management.api.cluster_failures import shown_status, with_unreadable
from management.api.listing import Item
from management.api.order_responses import detailed_json, order_json, pending_json
from management.api.order_visibility import order_permissions
from management.api.preconditions import Revision, json_with_etag
from management.api.services import Services, services_of
from management.authorization.permissions import NODES, READ_CLUSTER
from management.authorization.role_catalog import RoleCatalog
from management.clusters.agent_registration import LIFETIME
from management.clusters.kubeconfig import cluster_url
from store.order_records import Order, OrderSummary
from store.records import Cluster, ClusterStatus


def revision_of(cluster: Cluster | None, order: Order | None) -> Revision:
    """Return the revision of what is shown: of the cluster, of its order, or of both."""
    parts = [str(one.revision) for one in (cluster, order) if one is not None]
    return ".".join(parts)


async def shown(
    request: web.Request,
    cluster: Cluster,
    status: int = 200,
    *,
    order: Order | None = None,
    removal_pending: str | None = None,
) -> web.Response:
    """Return a cluster, with its order if it has one, and why its removal is not complete."""
    services, caller = services_of(request), caller_of(request)
    status_now = await services.store.fleet.status(cluster.id)
    catalog = RoleCatalog(await services.store.roles.list_all())
    body = cluster_json(cluster, services, caller, catalog, status_now)
    body |= await cluster_details(services, caller, cluster, status_now)
    if removal_pending is not None:
        body["removal_pending"] = removal_pending
    if order is not None:
        held = caller.access.in_cluster(cluster.id).permissions
        body["provision"] = detailed_json(order, held)
    return json_with_etag(body, revision_of(cluster, order), status)


def shown_order(request: web.Request, order: Order, status: int = 200) -> web.Response:
    """Return an order whose cluster has no record."""
    caller = caller_of(request)
    body = order_item(services_of(request), caller, order)
    body["provision"] = detailed_json(order, order_permissions(caller, order), imported=False)
    return json_with_etag(body, revision_of(None, order), status)


def order_item(services: Services, caller: Caller, order: OrderSummary) -> Item:
    """Return an order whose cluster has no record, as a cluster."""
    held = order_permissions(caller, order)
    if caller.access.owns_clusters:
        role = "administrator"
    else:
        role = "owner" if order.owner_id == caller.user.id else "auditor"
    return pending_json(order, held, role, services.external_url)


def cluster_json(
    cluster: Cluster,
    services: Services,
    caller: Caller,
    catalog: RoleCatalog,
    status: ClusterStatus | None,
    order: OrderSummary | None = None,
) -> Item:
    """Return a cluster as the API shows it; its connection only to those who may read it."""
    held = caller.access.in_cluster(cluster.id).permissions
    body: Item = {
        "id": cluster.id,
        "name": cluster.name,
        "role": _role_in(caller, cluster, catalog),
        "permissions": sorted(held),
        "url": cluster_url(services.external_url, cluster.id),
        "created_at": cluster.created_at.isoformat(),
        "removing_since": _time(cluster.removing_since),
        "pending_until": _time(cluster.created_at + LIFETIME) if cluster.is_pending else None,
        "labels": dict(cluster.labels),
    }
    if status is not None and NODES in held:
        seen = status.data if READ_CLUSTER in held else shown_status(dict(status.data))
        body["status"] = {**seen, "seen_at": status.updated_at.isoformat()}
    if cluster.unreadable:
        body["status"] = with_unreadable(cluster, body.get("status") or {})
    if READ_CLUSTER in held:
        body |= {
            "reach": cluster.reach,
            "servers": list(cluster.servers),
            "tls_server_name": cluster.tls_server_name,
            "username_mapping": cluster.username_mapping,
            "impersonator": cluster.impersonator,
            "credential_source": cluster.credential_source.value,
            "tokens_expire_at": _time(cluster.tokens_expire_at),
        }
    if order is not None:
        body["provision"] = order_json(order, held)
    return body


def _time(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None


def _role_in(caller: Caller, cluster: Cluster, catalog: RoleCatalog) -> str:
    """Return the caller's role in a cluster, as one word."""
    if caller.access.owns_clusters:
        return "administrator"
    if not caller.access.can_enter(cluster.id):
        return "auditor"
    held = caller.access.roles.get(cluster.id, ())
    names = [role.name for one in held if (role := catalog.get(one)) is not None]
    # The widest built-in role, if the caller has one.
    for name in ("owner", "member", "read-only"):
        if name in names:
            return name
    return names[0] if names else "project"
