"""Clusters over HTTP: those that the caller may enter, kubeconfigs for them, and their members.

A cluster that isn't there and one that the caller may not enter give the same answer.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from management.authentication import Caller, caller_of
from management.cluster_errors import BadRequest, DownstreamFailed, NoSuchUser
from management.cluster_grants import GrantService
from management.kubeconfig import ClusterEntry, cluster_url, render_kubeconfig
from management.problems import Problem, read_body
from management.services import Services, services_of
from store.interfaces import Cluster, Role, User

_LOG = structlog.get_logger("sekisho.clusters")


class NewMember(BaseModel):
    """What a member may be."""

    model_config = ConfigDict(extra="forbid")

    role: Role


async def list_clusters(request: web.Request) -> web.Response:
    """GET /v1/clusters: the clusters that the caller may enter, by name."""
    services, caller = services_of(request), caller_of(request)
    found = [
        cluster_json(cluster, role, services, caller)
        for cluster in await services.store.clusters.list_all()
        if (role := _role_in(caller, cluster)) is not None
    ]
    return web.json_response({"items": found})


async def get_cluster(request: web.Request) -> web.Response:
    """GET /v1/clusters/{cluster}, by id or name."""
    services, caller = services_of(request), caller_of(request)
    cluster, role = await _entered(request)
    return web.json_response(cluster_json(cluster, role, services, caller))


async def kubeconfig(request: web.Request) -> web.Response:
    """POST (or GET, to download) /v1/clusters/{cluster}/kubeconfig: a kubeconfig as YAML.

    It holds a new token for that cluster, which may do no more than the credential that asked for
    it and, unless that was a sign-in, ends no later. With ``?exec=true`` it holds no token, and
    kubectl asks ``sekisho credential``.
    """
    services, caller = services_of(request), caller_of(request)
    cluster, _ = await _entered(request)
    token = None
    if not _flag(request, "exec"):
        token = await _kubeconfig_token(services, caller, cluster)
    text = render_kubeconfig(
        external_url=services.external_url,
        clusters=[ClusterEntry(cluster.id, cluster.name)],
        user=caller.user.username,
        token=token,
        ca_pem=services.ca_pem,
    )
    return web.Response(
        text=text,
        content_type="application/yaml",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{cluster.name}.yaml"',
        },
    )


async def list_members(request: web.Request) -> web.Response:
    """GET /v1/clusters/{cluster}/members: who was let in, for administrators and owners."""
    cluster = await _governed(request)
    members = await GrantService(services_of(request).store).members(cluster)
    return web.json_response({"items": [member_json(user, role) for user, role in members]})


async def put_member(request: web.Request) -> web.Response:
    """PUT /v1/clusters/{cluster}/members/{user}: let a user in, or change their role.

    ``bound`` in the answer is false where Sekisho has no account to bind users downstream.
    """
    cluster = await _governed(request)
    body = await read_body(request, NewMember)
    async with _answered(request):
        grants = GrantService(services_of(request).store)
        granted = await grants.grant(cluster.id, request.match_info["user"], body.role)
    return web.json_response(
        {**member_json(granted.user, granted.role), "bound": granted.bound},
    )


async def delete_member(request: web.Request) -> web.Response:
    """DELETE /v1/clusters/{cluster}/members/{user}: shut a user out."""
    cluster = await _governed(request)
    async with _answered(request):
        grants = GrantService(services_of(request).store)
        revoked = await grants.revoke(cluster.id, request.match_info["user"])
    if not revoked.existed:
        raise Problem(404, "the user is no member of the cluster")
    return web.Response(status=204)


def cluster_json(
    cluster: Cluster, role: str, services: Services, caller: Caller
) -> dict[str, object]:
    """A cluster as the API shows it. Where it is, and how, is for administrators."""
    shown: dict[str, object] = {
        "id": cluster.id,
        "name": cluster.name,
        "role": role,
        "url": cluster_url(services.external_url, cluster.id),
        "created_at": cluster.created_at.isoformat(),
    }
    if caller.administrator:
        expire_at = cluster.tokens_expire_at
        shown |= {
            "servers": list(cluster.servers),
            "tls_server_name": cluster.tls_server_name,
            "user_name": cluster.user_name,
            "credential_source": cluster.credential_source.value,
            "tokens_expire_at": expire_at.isoformat() if expire_at else None,
        }
    return shown


def member_json(user: User, role: Role) -> dict[str, object]:
    """A member as the API shows one."""
    return {
        "user": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "role": role,
    }


def _role_in(caller: Caller, cluster: Cluster) -> str | None:
    """What the caller is in a cluster; None where they may not enter it."""
    if caller.administrator:
        return "administrator"
    return caller.resolved.roles.get(cluster.id)


async def _entered(request: web.Request) -> tuple[Cluster, str]:
    """The cluster of the path and the caller's role in it. Raises Problem."""
    name = request.match_info["cluster"]
    cluster = await services_of(request).store.clusters.get(name)
    role = _role_in(caller_of(request), cluster) if cluster is not None else None
    if cluster is None or role is None:
        raise Problem(404, f'cluster "{name}" not found, or you have no access to it')
    return cluster, role


async def _governed(request: web.Request) -> Cluster:
    """The cluster of the path, if the caller may say who enters it. Raises Problem."""
    cluster, role = await _entered(request)
    if role not in ("administrator", "owner"):
        raise Problem(403, "only owners of the cluster and administrators may do that")
    return cluster


async def _kubeconfig_token(services: Services, caller: Caller, cluster: Cluster) -> str:
    used = caller.resolved.token
    issued = await services.tokens.issue(
        caller.user,
        kind="kubeconfig",
        principal_id=caller.resolved.identity.principal_id,
        not_after=used.expires_at if used.kind != "session" else None,
        clusters=[cluster.id],
        read_only=used.read_only,
        description=f"kubeconfig for {cluster.name}",
    )
    return issued.bearer


def _flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise Problem(400, f"{name} must be true or false")
    return value == "true"


@asynccontextmanager
async def _answered(request: web.Request) -> AsyncIterator[None]:
    """What grants say no to, as answers. A cluster's address and words are for administrators."""
    try:
        yield
    except NoSuchUser as exc:
        raise Problem(404, str(exc)) from exc
    except BadRequest as exc:
        raise Problem(422, str(exc)) from exc
    except DownstreamFailed as exc:
        _LOG.warning("cluster refused a change", path=request.path, error=str(exc))
        told = str(exc) if caller_of(request).administrator else "the cluster refused, or is away"
        raise Problem(502, told) from exc


routes = [
    web.get("/v1/clusters", list_clusters),
    web.get("/v1/clusters/{cluster}", get_cluster),
    web.get("/v1/clusters/{cluster}/kubeconfig", kubeconfig),
    web.post("/v1/clusters/{cluster}/kubeconfig", kubeconfig),
    web.get("/v1/clusters/{cluster}/members", list_members),
    web.put("/v1/clusters/{cluster}/members/{user}", put_member),
    web.delete("/v1/clusters/{cluster}/members/{user}", delete_member),
]
