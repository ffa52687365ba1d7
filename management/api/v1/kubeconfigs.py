"""Kubeconfigs for one cluster, or for every cluster that the caller may enter."""

from collections.abc import Sequence

from aiohttp import web

from management.api.access_requirements import cluster_of
from management.api.authentication import Caller, caller_of
from management.api.openapi_metadata import FLAG, openapi
from management.api.request_models import RequestModel, Ttl, query_flag
from management.api.services import Services, services_of
from management.clusters.kubeconfig import ClusterEntry, render_kubeconfig
from management.http.body import body_of, read_body
from management.http.problem import ApiProblem
from management.identity.tokens import TokenSpec
from store.records import Cluster


async def kubeconfig(request: web.Request) -> web.Response:
    """Return a kubeconfig for a cluster, as YAML, without a secret.

    kubectl gets its credential from ``sekisho credential``, after ``sekisho login``.
    """
    cluster = cluster_of(request)
    return _rendered(services_of(request), caller_of(request), [cluster], None, cluster.name)


class NewKubeconfig(RequestModel):
    """The token of a new kubeconfig; no body: the defaults. ``ttl`` such as ``8h``.

    ``read_only`` and ``proxy_read`` are as in ``POST /v1/tokens``.
    """

    ttl: Ttl = None
    read_only: bool = False
    proxy_read: bool = False


@openapi(query={"exec": FLAG}, body=NewKubeconfig)
async def make_kubeconfig(request: web.Request) -> web.Response:
    """Create a kubeconfig for a cluster, as YAML, with a new token for that cluster.

    The token has at most the scope of the credential that creates it. Unless that is a session, the
    token also ends with it. There are at most ten for one cluster: another one revokes the least
    recently used. With ``?exec=true`` no token is created, as with GET.
    """
    services, caller = services_of(request), caller_of(request)
    cluster = cluster_of(request)
    wanted = await _wanted(request)
    token = None
    if not query_flag(request, "exec"):
        token = await _kubeconfig_token(services, caller, [cluster], wanted)
    return _rendered(services, caller, [cluster], token, cluster.name)


def _rendered(
    services: Services,
    caller: Caller,
    clusters: Sequence[Cluster],
    token: str | None,
    name: str,
) -> web.Response:
    text = render_kubeconfig(
        external_url=services.external_url,
        clusters=[ClusterEntry(one.id, one.name) for one in clusters],
        user=caller.user.username,
        token=token,
        ca_pem=services.ca_pem,
    )
    return web.Response(
        text=text,
        content_type="application/yaml",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}.yaml"',
        },
    )


async def every_kubeconfig(request: web.Request) -> web.Response:
    """Return one kubeconfig for all clusters that the caller may enter, without a secret."""
    services, caller = services_of(request), caller_of(request)
    return _rendered(
        services, caller, await _accessible_clusters(services, caller), None, "sekisho"
    )


@openapi(query={"exec": FLAG}, body=NewKubeconfig)
async def make_every_kubeconfig(request: web.Request) -> web.Response:
    """Create one kubeconfig for all clusters that the caller may enter, one context for each.

    It has one new token for all of them, or none with ``?exec=true``.
    """
    services, caller = services_of(request), caller_of(request)
    wanted = await _wanted(request)
    clusters = await _accessible_clusters(services, caller)
    token = None
    if not query_flag(request, "exec"):
        token = await _kubeconfig_token(services, caller, clusters, wanted)
    return _rendered(services, caller, clusters, token, "sekisho")


async def _accessible_clusters(services: Services, caller: Caller) -> list[Cluster]:
    """Return the clusters that the caller may enter.

    Raises:
        ApiProblem: 404 if there are none.
    """
    every = await services.store.clusters.list_all()
    clusters = [one for one in every if caller.access.can_enter(one.id)]
    if not clusters:
        raise ApiProblem(404, "you may enter no cluster yet: ask a cluster's owner for access")
    return clusters


async def _wanted(request: web.Request) -> NewKubeconfig:
    """Return the request's body, which may be absent."""
    return await read_body(request, NewKubeconfig) if await body_of(request) else NewKubeconfig()


async def _kubeconfig_token(
    services: Services, caller: Caller, clusters: Sequence[Cluster], wanted: NewKubeconfig
) -> str:
    used = caller.authenticated.token
    issued = await services.tokens.issue(
        caller.user,
        TokenSpec(
            kind="kubeconfig",
            principal_id=caller.authenticated.identity.principal_id,
            clusters=[one.id for one in clusters],
            ttl=wanted.ttl,
            read_only=wanted.read_only,
            proxy_read=wanted.proxy_read or (used.proxy_read and not wanted.read_only),
            description=f"kubeconfig for {', '.join(one.name for one in clusters)}"[:256],
        ),
        made_with=used,
    )
    return issued.bearer
