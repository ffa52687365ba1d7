"""Management clusters: where clusters can be ordered, from which classes, and how many."""

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from aiohttp import web
from pydantic import Field

from config.loggers import get_logger
from config.text_patterns import described, ends_alike
from management.api import management_cluster_models as models
from management.api.access_requirements import InCluster, cluster_of
from management.api.authentication import caller_of
from management.api.cluster_failures import PROVISIONING, cluster_problems
from management.api.openapi_metadata import FLAG, openapi
from management.api.preconditions import check_match, conflict, json_with_etag
from management.api.request_models import DnsLabel, Reference, RequestModel, query_flag
from management.api.services import services_of
from management.api.v1.role_bindings import requested_role
from management.authorization.role_catalog import RoleCatalog
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.kubernetes.errors import ClusterHeld
from management.provisioning.ownership import UsedByAnother
from management.provisioning.setup import leave_other_namespaces, set_up, tear_down
from store.errors import Conflict, RecordNotFound, StaleRevision
from store.interfaces import Store
from store.order_records import AllowedClass, ManagementCluster, OrderLimits
from store.records import Cluster

_LOG = get_logger(__name__)

MAX_CLASSES = 100
MAX_ROLES = 50

Limit = Annotated[int, Field(ge=0, le=100_000)] | None
_CLASS_NAME = described(r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$", ends_alike(253, "- and ."))
ClassName = Annotated[str, Field(pattern=_CLASS_NAME)]


class ClassGrant(RequestModel):
    """A class that may be ordered from, by holders of any of ``roles``; without: by all who order.

    ``clusters`` limits the orders of the class.
    """

    name: ClassName
    roles: Annotated[list[Reference], Field(max_length=MAX_ROLES)] = Field(default_factory=list)
    clusters: Limit = None


class Limits(RequestModel):
    """Limits of this management cluster, in place of those of the settings."""

    clusters_per_user: Limit = None
    workers_per_cluster: Limit = None
    workers: Limit = None


class Provisioning(RequestModel):
    """How clusters are made in a management cluster.

    ``namespace`` holds the classes and the engine's objects. Without ``classes``, every class there
    may be ordered from.
    """

    namespace: DnsLabel
    classes: Annotated[list[ClassGrant], Field(max_length=MAX_CLASSES)] = Field(
        default_factory=list
    )
    limits: Limits = Field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class OverManagementCluster:
    """Ownership of every cluster: orders cost money, and their owners enter what they order."""

    def __str__(self) -> str:
        return "ownership of all clusters"

    async def check(self, request: web.Request) -> None:
        """Store the cluster in the request. Raise ApiProblem with 404 or 403."""
        await InCluster().check(request)
        if not caller_of(request).access.owns_clusters:
            raise ApiProblem(403, "only an administrator may change where clusters are ordered")


@openapi(response=models.ManagementClusterResponse, revised=True)
async def show(request: web.Request) -> web.Response:
    """Return how clusters are made in a management cluster. 404 if it is none."""
    cluster = cluster_of(request)
    return _shown(await _existing(services_of(request).store, cluster))


@openapi(
    body=Provisioning,
    response=models.ManagementClusterResponse,
    revised=True,
    others=(201,),
    query={"take_over": FLAG},
)
async def enable(request: web.Request) -> web.Response:
    """Make a cluster a management cluster, or change how clusters are made in it.

    Sekisho makes its account there, with its rights and an admission policy, and checks them. A
    repeated request repairs them. 409 if the cluster does not serve Cluster API `v1beta2`, or if
    another Sekisho orders clusters there. `?take_over=true` takes the cluster from that one, whose
    account ends.
    """
    services, cluster = services_of(request), cluster_of(request)
    take_over = query_flag(request, "take_over")
    body = await read_body(request, Provisioning)
    _require_changeable(cluster)
    known = await services.store.management_clusters.get(cluster.id)
    check_match(request, known.revision if known is not None else 0)
    classes = await _classes(services.store, body)
    before = known.namespace if known is not None else None
    if known is not None and before != body.namespace:
        # Before anything changes in the cluster: the namespace of orders stays.
        moved = replace(known, namespace=body.namespace)
        await services.store.management_clusters.put(
            moved, revision=known.revision, only_check=True
        )
    async with cluster_problems(request, PROVISIONING):
        issued = await set_up(
            cluster,
            body.namespace,
            [one.name for one in classes],
            url=services.external_url,
            before=before,
            take_over=take_over,
        )
    wanted = ManagementCluster(
        cluster_id=cluster.id,
        namespace=body.namespace,
        token=issued.token,
        token_expires_at=issued.expires_at,
        classes=classes,
        limits=OrderLimits(**body.limits.model_dump()),
    )
    try:
        stored = await services.store.management_clusters.put(
            wanted, revision=known.revision if known is not None else 0
        )
    except (StaleRevision, RecordNotFound, Conflict) as exc:
        await _clean(request, cluster)
        if isinstance(exc, Conflict):
            raise
        raise conflict(request) from None
    add_audit_note(request, changed=cluster.id, namespace=stored.namespace)
    await _clean(request, cluster)
    return _shown(stored, 200 if known is not None else 201)


@openapi(status=204, revised=True, query={"keep_cluster_objects": FLAG})
async def disable(request: web.Request) -> web.Response:
    """Make a management cluster an ordinary one. 409 while it has orders.

    Sekisho removes its account for orders from the cluster. If the cluster will never respond
    again, ``?keep_cluster_objects=true`` leaves the account there. A repeated request removes an
    account that was left there.
    """
    store, cluster = services_of(request).store, cluster_of(request)
    keep = query_flag(request, "keep_cluster_objects")
    known = await store.management_clusters.get(cluster.id)
    if known is None:
        if keep or cluster.controller_token is None:
            raise _none(cluster)
        return await _finish(request, cluster)
    check_match(request, known.revision)
    # First: from here on, nothing can be ordered that would need the account.
    await store.management_clusters.delete(cluster.id)
    add_audit_note(request, deleted=cluster.id)
    if keep:
        return web.Response(status=204)
    try:
        async with cluster_problems(request, PROVISIONING):
            await _tear_down_own(cluster)
    except BaseException:
        with suppress(StaleRevision):  # Another request has made it one again.
            await store.management_clusters.put(known, revision=0)
        raise
    return web.Response(status=204)


async def _finish(request: web.Request, cluster: Cluster) -> web.Response:
    """Remove the account that a request left when it ended between the record and the account."""
    check_match(request, 0)
    async with cluster_problems(request, PROVISIONING):
        removed = await tear_down(cluster, known=False)
    if not removed:
        raise _none(cluster)
    add_audit_note(request, deleted=cluster.id)
    return web.Response(status=204)


async def _tear_down_own(cluster: Cluster) -> None:
    """Remove the account, unless another Sekisho has taken the cluster over: it is that one's."""
    try:
        await tear_down(cluster)
    except UsedByAnother as exc:
        _LOG.warning("account of another Sekisho is left", cluster=cluster.name, reason=str(exc))


async def _clean(request: web.Request, cluster: Cluster) -> None:
    """Remove what Sekisho has outside of the namespace in use, also from earlier requests."""
    used = await services_of(request).store.management_clusters.get(cluster.id)
    async with cluster_problems(request, PROVISIONING):
        if used is None:
            await _tear_down_own(cluster)
        else:
            await leave_other_namespaces(cluster, used.namespace)


def _require_changeable(cluster: Cluster) -> None:
    """Raise ApiProblem with 409 if the cluster is being removed, or held."""
    if cluster.removing_since is not None:
        raise ApiProblem(409, f'"{cluster.name}" is being removed')
    if cluster.held_since is not None:
        raise ApiProblem(409, f'"{cluster.name}": {ClusterHeld()}')


async def _existing(store: Store, cluster: Cluster) -> ManagementCluster:
    known = await store.management_clusters.get(cluster.id)
    if known is None:
        raise _none(cluster)
    return known


def _none(cluster: Cluster) -> ApiProblem:
    return ApiProblem(404, f'"{cluster.name}" is no management cluster')


async def _classes(store: Store, body: Provisioning) -> tuple[AllowedClass, ...]:
    """Return the classes with the ids of their roles. Raises ApiProblem with 422."""
    catalog = RoleCatalog(await store.roles.list_all())
    names = [one.name for one in body.classes]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise ApiProblem(422, f'classes: "{twice}" is listed twice')
    return tuple(
        AllowedClass(
            one.name,
            tuple(requested_role(catalog, "global", role).id for role in one.roles),
            one.clusters,
        )
        for one in body.classes
    )


def _shown(management: ManagementCluster, status: int = 200) -> web.Response:
    """Return a management cluster as the API shows it, without its token."""
    body = {
        "id": management.cluster_id,
        "namespace": management.namespace,
        "classes": [
            {"name": one.name, "roles": list(one.roles), "clusters": one.clusters}
            for one in management.classes
        ],
        "limits": asdict(management.limits),
        "token_expires_at": management.token_expires_at.isoformat(),
        "unreadable": management.unreadable,
    }
    return json_with_etag(body, management.revision, status)
