"""Clusters over HTTP: those that the caller may enter, kubeconfigs for them, and imports.

A cluster that isn't there and one that the caller may not enter give the same answer.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import Field

from management.api import answers
from management.api.bodies import Body
from management.api.described import FLAG, described
from management.api.listing import Item, Listing
from management.api.registrations import own
from management.api.requirements import cluster_of
from management.api.revisions import check_match, lost_race, read_patch, shown
from management.authentication import Caller, caller_of
from management.authorization.book import RoleBook
from management.authorization.permissions import EDIT_CLUSTER, NODES
from management.cluster_errors import AlreadyThere, BadRequest, DownstreamFailed
from management.clusters import ID, NAME, ClusterService
from management.import_kubeconfig import BadKubeconfig, from_kubeconfig_text
from management.kubeconfig import ClusterEntry, cluster_url, render_kubeconfig
from management.members import MemberService
from management.problems import Problem, read_body
from management.services import Services, services_of
from management.telling import note
from store.fleet_records import ClusterStatus
from store.interfaces import Cluster, Isolation, StaleRevision, SubjectName

_LOG = structlog.get_logger("sekisho.clusters")


class ClusterSpec(Body):
    """What can be changed of a cluster.

    ``user_name`` is what it is told of users; ``isolation`` whether the gate enters it with one
    account for all, or with one for each user.
    """

    name: Annotated[str, Field(pattern=NAME.pattern)]
    user_name: SubjectName = "id"
    isolation: Isolation = "shared"


class NewCluster(Body):
    """A kubeconfig that may do anything in the cluster. It is used once, and not kept."""

    name: Annotated[str, Field(pattern=NAME.pattern)]
    kubeconfig: Annotated[str, Field(max_length=60_000)]
    context: str | None = None
    user_name: SubjectName | None = None


async def collect(request: web.Request) -> Sequence[Item]:
    """The clusters that the caller may enter."""
    services, caller = services_of(request), caller_of(request)
    statuses = await services.store.fleet.statuses()
    book = RoleBook(await services.store.roles.list_all())
    return [
        cluster_json(one, services, caller, book, statuses.get(one.id))
        for one in await services.store.clusters.list_all()
        if caller.access.enters(one.id)
    ]


LIST = Listing(
    collect,
    answer=answers.ClusterAnswer,
    sorts=("name", "id", "created_at"),
    filters=("name", "role"),
    kinds=frozenset({"cluster", "status", "user", "group", "role", "project"}),
)


@described(answer=answers.ClusterAnswer)
async def get_cluster(request: web.Request) -> web.Response:
    """One cluster, by id or name."""
    return await _shown(request, cluster_of(request))


@described(body=NewCluster, answer=answers.ClusterAnswer, status=201)
async def create_cluster(request: web.Request) -> web.Response:
    """Import a cluster with a kubeconfig. Who imports it owns it."""
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewCluster)
    if await services.store.clusters.get(body.name) is not None:
        raise Problem(409, f'there is a cluster "{body.name}" already')
    async with _answered(request):
        access = from_kubeconfig_text(body.kubeconfig, body.context)
        imported = await ClusterService(services.store).import_cluster(
            body.name, access.endpoint, access.credential, user_name=body.user_name
        )
    cluster = imported.cluster
    assert cluster is not None
    note(request, made=cluster.id)
    await own(services, cluster, caller.user)
    return await _shown(request, cluster, 201)


@described(body=ClusterSpec, answer=answers.ClusterAnswer, revised=True)
async def change_cluster(request: web.Request) -> web.Response:
    """Change how a cluster is called, and how the gate enters it."""
    services, cluster = services_of(request), cluster_of(request)
    check_match(request, cluster.revision)
    current = ClusterSpec(
        name=cluster.name, user_name=cluster.user_name, isolation=cluster.isolation
    )
    body = await read_patch(request, current)
    named = await services.store.clusters.get(body.name)
    if ID.fullmatch(body.name) or (named is not None and named.id != cluster.id):
        raise Problem(409, f'"{body.name}" is taken, or like an id')
    wanted = replace(cluster, name=body.name, user_name=body.user_name, isolation=body.isolation)
    try:
        await services.store.clusters.replace(wanted, revision=cluster.revision)
    except StaleRevision:
        raise lost_race(request) from None
    if wanted.user_name != cluster.user_name and wanted.controller_token is not None:
        await MemberService(services.store).settle_all(wanted)
    note(request, changed=cluster.id)
    return await _shown(request, replace(wanted, revision=cluster.revision + 1))


@described(status=204, others=(202,), revised=True, query={"keep_downstream": FLAG})
async def delete_cluster(request: web.Request) -> web.Response:
    """Take Sekisho out of a cluster and forget it. Nobody enters it from now on.

    If it is away, what is ours in it is taken away when it is back (202), unless it is gone for
    good: ``?keep_downstream=true`` forgets it at once.
    """
    services, cluster = services_of(request), cluster_of(request)
    check_match(request, cluster.revision)
    service = ClusterService(services.store)
    keep = _flag(request, "keep_downstream")
    note(request, deleted=cluster.id)
    if keep or cluster.controller_token is None:
        await service.remove(cluster.id, keep_downstream=True)
        return web.Response(status=204)
    removing = replace(cluster, removing_since=cluster.removing_since or datetime.now(UTC))
    await services.store.clusters.replace(removing)
    try:
        await service.remove(cluster.id)
    except DownstreamFailed as exc:
        _LOG.warning("cluster not cleaned yet", cluster=cluster.name, error=str(exc))
        return await _shown(request, replace(removing, revision=cluster.revision + 1), 202)
    return web.Response(status=204)


async def _shown(request: web.Request, cluster: Cluster, status: int = 200) -> web.Response:
    services, caller = services_of(request), caller_of(request)
    statuses = await services.store.fleet.statuses()
    book = RoleBook(await services.store.roles.list_all())
    body = cluster_json(cluster, services, caller, book, statuses.get(cluster.id))
    return shown(body, cluster.revision, status)


@described(query={"exec": FLAG})
async def kubeconfig(request: web.Request) -> web.Response:
    """POST (or GET, to download) /v1/clusters/{cluster}/kubeconfig: a kubeconfig as YAML.

    It holds a new token for that cluster, which may do no more than the credential that asked for
    it and, unless that was a sign-in, ends no later. With ``?exec=true`` it holds no token, and
    kubectl asks ``sekisho credential``.
    """
    services, caller = services_of(request), caller_of(request)
    cluster = cluster_of(request)
    token = None
    if not _flag(request, "exec"):
        token = await _kubeconfig_token(services, caller, [cluster])
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


@described(query={"exec": FLAG})
async def every_kubeconfig(request: web.Request) -> web.Response:
    """One kubeconfig for every cluster that the caller may enter, each as a context.

    With one new token for all of them, or with ``?exec=true`` none.
    """
    services, caller = services_of(request), caller_of(request)
    clusters = [
        one for one in await services.store.clusters.list_all() if caller.access.enters(one.id)
    ]
    if not clusters:
        raise Problem(404, "there is no cluster that you may enter")
    token = None
    if not _flag(request, "exec"):
        token = await _kubeconfig_token(services, caller, clusters)
    return _rendered(services, caller, clusters, token, "sekisho")


def cluster_json(
    cluster: Cluster,
    services: Services,
    caller: Caller,
    book: RoleBook,
    status: ClusterStatus | None,
) -> Item:
    """A cluster as the API shows one. Where it is, and how, is for those who may change it."""
    held = caller.access.in_cluster(cluster.id).permissions
    body: Item = {
        "id": cluster.id,
        "name": cluster.name,
        "role": _role_in(caller, cluster, book),
        "url": cluster_url(services.external_url, cluster.id),
        "created_at": cluster.created_at.isoformat(),
        "removing_since": _time(cluster.removing_since),
    }
    if status is not None and NODES in held:
        body["status"] = {**status.data, "seen_at": status.updated_at.isoformat()}
    if EDIT_CLUSTER in held:
        body |= {
            "servers": list(cluster.servers),
            "tls_server_name": cluster.tls_server_name,
            "user_name": cluster.user_name,
            "isolation": cluster.isolation,
            "credential_source": cluster.credential_source.value,
            "tokens_expire_at": _time(cluster.tokens_expire_at),
        }
    return body


def _time(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None


def _role_in(caller: Caller, cluster: Cluster, book: RoleBook) -> str:
    """What the caller is in a cluster, in a word."""
    if caller.access.owns_clusters:
        return "administrator"
    held = caller.access.roles.get(cluster.id, ())
    names = [role.name for one in held if (role := book.get(one)) is not None]
    # The widest of those that are always there, if it is among them.
    for name in ("owner", "member", "read-only"):
        if name in names:
            return name
    return names[0] if names else "project"


async def _kubeconfig_token(services: Services, caller: Caller, clusters: Sequence[Cluster]) -> str:
    used = caller.resolved.token
    issued = await services.tokens.issue(
        caller.user,
        kind="kubeconfig",
        principal_id=caller.resolved.identity.principal_id,
        not_after=used.expires_at if used.kind != "session" else None,
        clusters=[one.id for one in clusters],
        read_only=used.read_only,
        description=f"kubeconfig for {', '.join(one.name for one in clusters)}"[:256],
    )
    return issued.bearer


def _flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise Problem(400, f"{name} must be true or false")
    return value == "true"


@asynccontextmanager
async def _answered(request: web.Request) -> AsyncIterator[None]:
    """What an import says no to, as answers: to whoever has given the cluster's address."""
    try:
        yield
    except AlreadyThere as exc:
        raise Problem(409, str(exc)) from exc
    except (BadRequest, BadKubeconfig) as exc:
        raise Problem(422, str(exc)) from exc
    except DownstreamFailed as exc:
        _LOG.warning("cluster refused", path=request.path, error=str(exc))
        raise Problem(502, str(exc)) from exc
