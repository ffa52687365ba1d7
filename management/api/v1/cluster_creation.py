"""Clusters that are new to Sekisho: imported, ordered, or adopted from a management cluster."""

import asyncio
from dataclasses import replace
from typing import Annotated

from aiohttp import web
from pydantic import Field, model_validator

from management.api import response_models
from management.api.access_requirements import GlobalPermission
from management.api.authentication import caller_of
from management.api.cluster_failures import IMPORT, cluster_problems
from management.api.openapi_metadata import FLAG, openapi
from management.api.order_models import Adoption, NewOrder
from management.api.order_visibility import order_named
from management.api.request_models import Reference, RequestModel, query_flag
from management.api.services import services_of
from management.api.v1.cluster_orders import adopt, place
from management.api.v1.cluster_responses import shown
from management.authorization.permissions import CREATE_CLUSTERS, PROVISION_CLUSTERS
from management.clusters.cluster_identity import NAME, NameTaken
from management.clusters.kubeconfig_import import from_kubeconfig_text
from management.clusters.ownership import grant_ownership
from management.clusters.service import ClusterService
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from store.records import UsernameMapping

_WAYS = ("kubeconfig", "provision", "adopt")


class NewCluster(RequestModel):
    """A new cluster: exactly one of ``kubeconfig``, ``provision``, and ``adopt``.

    ``kubeconfig`` is that of an administrator of an existing cluster. It is used once, not stored.
    ``provision`` orders a cluster from a class of a management cluster. ``adopt`` imports a cluster
    that others made in a management cluster.
    """

    name: Annotated[str, Field(pattern=NAME.pattern)]
    kubeconfig: Annotated[str, Field(max_length=60_000)] | None = None
    context: Reference | None = None
    username_mapping: UsernameMapping | None = None
    provision: NewOrder | None = None
    adopt: Adoption | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "NewCluster":
        if sum(getattr(self, one) is not None for one in _WAYS) != 1:
            raise ValueError(f"give exactly one of {', '.join(_WAYS)}")
        if self.kubeconfig is None and (self.context or self.username_mapping):
            raise ValueError("context and username_mapping are for kubeconfig only")
        return self


@openapi(
    body=NewCluster,
    response=response_models.ClusterResponse,
    status=201,
    others=(200, 202),
    query={"dry_run": FLAG},
)
async def create_cluster(request: web.Request) -> web.Response:
    """Import a cluster with a kubeconfig (201), or order or adopt one (202).

    The caller becomes its owner. An import needs `clusters.create`, an order `clusters.provision`,
    and an adoption `clusters.create` and all that an owner of the management cluster holds. With
    `?dry_run=true`, an order is checked, by the engine as well, and not placed (200).
    """
    body = await read_body(request, NewCluster)
    dry_run = query_flag(request, "dry_run")
    if body.provision is not None:
        await GlobalPermission(PROVISION_CLUSTERS).check(request)
        return await place(request, body.name, body.provision, dry_run=dry_run)
    await GlobalPermission(CREATE_CLUSTERS).check(request)
    if dry_run:
        raise ApiProblem(422, "dry_run is for provision only")
    if body.adopt is not None:
        return await adopt(request, body.name, body.adopt)
    return await _import(request, body, body.kubeconfig or "")


async def _import(request: web.Request, body: NewCluster, kubeconfig: str) -> web.Response:
    services, caller = services_of(request), caller_of(request)
    store = services.store
    if await store.clusters.get(body.name) or await order_named(store, body.name):
        raise ApiProblem(409, NameTaken.hidden)
    async with cluster_problems(request, IMPORT):
        # In a thread: parsing even a bounded document would block other requests for too long.
        access = await asyncio.to_thread(from_kubeconfig_text, kubeconfig, body.context)
        endpoint = replace(access.endpoint, addresses=services.cluster_addresses)
        imported = await ClusterService(store).import_cluster(
            body.name, endpoint, access.credential, username_mapping=body.username_mapping
        )
    cluster = imported.cluster
    assert cluster is not None
    add_audit_note(request, created=cluster.id)
    await grant_ownership(store, cluster, caller.user)
    return await shown(request, cluster, 201)
