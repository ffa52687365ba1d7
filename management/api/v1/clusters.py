"""Clusters: list, import, change and remove.

A cluster that does not exist and one that the caller may not enter get the same response.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from aiohttp import web
from pydantic import Field

from config.loggers import get_logger
from management.api import response_models
from management.api.access_requirements import cluster_of
from management.api.authentication import Caller, caller_of
from management.api.cluster_connection import ClusterConnection, changed_connection
from management.api.cluster_details import cluster_details
from management.api.cluster_failures import IMPORT, cluster_problems, shown_status, with_unreadable
from management.api.cluster_reach import changed_reach
from management.api.listing import Item, Listing, PageRequest
from management.api.openapi_metadata import FLAG, openapi
from management.api.preconditions import check_match, conflict, json_with_etag, read_patch
from management.api.request_models import Labels, Reference, RequestModel, query_flag
from management.api.services import Services, services_of
from management.api.v1.cluster_registrations import grant_ownership
from management.authorization.permissions import NODES, READ_CLUSTER
from management.authorization.role_catalog import RoleCatalog
from management.clusters.agent_registration import LIFETIME
from management.clusters.cluster_identity import ID, NAME, NameTaken
from management.clusters.kubeconfig import cluster_url
from management.clusters.kubeconfig_import import from_kubeconfig_text
from management.clusters.members import MemberService
from management.clusters.service import ClusterService
from management.errors import ClusterOperationFailed
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.kubernetes.cluster_client import unreadable
from store.errors import StaleRevision
from store.records import Cluster, ClusterStatus, ImpersonatorMode, Reach, UsernameMapping

_LOG = get_logger(__name__)


class ClusterSpec(ClusterConnection):
    """The fields of a cluster that can be changed.

    ``username_mapping`` is the username that the cluster sees; ``impersonator`` is whether the
    proxy uses one account in the cluster for all users, or one for each. A changed ``servers``,
    ``ca_pem`` or ``tls_server_name`` needs ``kubeconfig`` or ``token`` of an administrator of the
    same cluster: Sekisho checks that it is the same cluster and creates new tokens for itself.
    Members and their kubeconfigs stay. ``reach: agent`` needs an agent that is connected, and
    ``reach: direct`` needs ``servers`` with such a credential.
    """

    name: Annotated[str, Field(pattern=NAME.pattern)]
    username_mapping: UsernameMapping = "id"
    impersonator: ImpersonatorMode = "shared"
    labels: Labels = Field(default_factory=dict)
    reach: Reach = "direct"


class NewCluster(RequestModel):
    """A cluster to import, with a kubeconfig of its administrator. It is used once, not stored."""

    name: Annotated[str, Field(pattern=NAME.pattern)]
    kubeconfig: Annotated[str, Field(max_length=60_000)]
    context: Reference | None = None
    username_mapping: UsernameMapping | None = None


async def collect(request: web.Request) -> Sequence[Item]:
    """List the clusters that the caller may enter, or read."""
    return await _items(request, await services_of(request).store.clusters.list_all())


async def read_page(request: web.Request, page: PageRequest) -> Sequence[Item]:
    """Read the clusters of a page, and one more."""
    clusters, size, after = services_of(request).store.clusters, page.limit + 1, page.place
    found: list[Item] = []
    while len(found) < size:
        read = await clusters.page(
            cast(Any, page.field), descending=page.descending, after=after, limit=size
        )
        found += [one for one in await _items(request, read) if page.matches(one)]
        if len(read) < size:
            break
        after = (getattr(read[-1], page.field), read[-1].id)
    return found[:size]


async def _items(request: web.Request, clusters: Sequence[Cluster]) -> list[Item]:
    services, caller = services_of(request), caller_of(request)
    statuses = await services.store.fleet.statuses()
    catalog = RoleCatalog(await services.store.roles.list_all())
    return [
        cluster_json(one, services, caller, catalog, statuses.get(one.id))
        for one in clusters
        if caller.access.sees_cluster(one.id)
    ]


LIST = Listing(
    collect,
    response=response_models.ClusterResponse,
    sorts=("name", "id", "created_at"),
    filters=("name", "role"),
    kinds=frozenset({"cluster", "status", "user", "group", "role", "project"}),
    labelled=True,
    read_page=read_page,
)


@openapi(response=response_models.ClusterResponse)
async def get_cluster(request: web.Request) -> web.Response:
    """Return a cluster, by id or name."""
    return await _shown(request, cluster_of(request))


@openapi(body=NewCluster, response=response_models.ClusterResponse, status=201)
async def create_cluster(request: web.Request) -> web.Response:
    """Import a cluster with a kubeconfig. The caller becomes its owner."""
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewCluster)
    if await services.store.clusters.get(body.name) is not None:
        raise ApiProblem(409, NameTaken.hidden)
    async with cluster_problems(request, IMPORT):
        # In a thread: parsing even a bounded document would block other requests for too long.
        access = await asyncio.to_thread(from_kubeconfig_text, body.kubeconfig, body.context)
        endpoint = replace(access.endpoint, addresses=services.cluster_addresses)
        imported = await ClusterService(services.store).import_cluster(
            body.name, endpoint, access.credential, username_mapping=body.username_mapping
        )
    cluster = imported.cluster
    assert cluster is not None
    add_audit_note(request, created=cluster.id)
    await grant_ownership(services, cluster, caller.user)
    return await _shown(request, cluster, 201)


@openapi(body=ClusterSpec, response=response_models.ClusterResponse, revised=True)
async def change_cluster(request: web.Request) -> web.Response:
    """Change a cluster's name, its connection, and how the proxy enters it."""
    services, cluster = services_of(request), cluster_of(request)
    check_match(request, cluster.revision)
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
    return await _shown(request, replace(changed, revision=cluster.revision + 1))


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


@openapi(status=204, others=(202,), revised=True, query={"keep_cluster_objects": FLAG})
async def delete_cluster(request: web.Request) -> web.Response:
    """Remove a cluster and Sekisho's objects in it. Users lose access immediately.

    If the cluster does not respond, Sekisho removes its objects when it is back (202). If it will
    never be back, ``?keep_cluster_objects=true`` removes the cluster from Sekisho only.
    """
    services, cluster = services_of(request), cluster_of(request)
    check_match(request, cluster.revision)
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
        await service.remove(cluster.id, keep_cluster_objects=True)
        return web.Response(status=204)
    removing = replace(cluster, removing_since=cluster.removing_since or datetime.now(UTC))
    await services.store.clusters.replace(removing)
    try:
        await service.remove(cluster.id)
    except ClusterOperationFailed as exc:
        _LOG.warning("cluster not cleaned up yet", cluster=cluster.name, error=str(exc))
        return await _shown(request, replace(removing, revision=cluster.revision + 1), 202)
    return web.Response(status=204)


async def _shown(request: web.Request, cluster: Cluster, status: int = 200) -> web.Response:
    services, caller = services_of(request), caller_of(request)
    statuses = await services.store.fleet.statuses()
    catalog = RoleCatalog(await services.store.roles.list_all())
    body = cluster_json(cluster, services, caller, catalog, statuses.get(cluster.id))
    body |= await cluster_details(services, caller, cluster, statuses.get(cluster.id))
    return json_with_etag(body, cluster.revision, status)


def cluster_json(
    cluster: Cluster,
    services: Services,
    caller: Caller,
    catalog: RoleCatalog,
    status: ClusterStatus | None,
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
