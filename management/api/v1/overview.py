"""The overview: numbers, problems, and what ends soon; each only as the caller's rights allow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from management.api import overview_models
from management.api.access_requirements import sees
from management.api.authentication import Caller, caller_of
from management.api.cluster_failures import shown_status, with_unreadable
from management.api.listing import Item
from management.api.openapi_metadata import openapi
from management.api.provider_tests import tester_of
from management.api.services import Services, services_of
from management.authorization.permissions import (
    NODES,
    READ_CLUSTER,
    READ_PROVIDERS,
    READ_TOKENS,
    READ_USERS,
    USERS,
)
from management.clusters.ending_credentials import (
    CERTIFICATE_DAYS,
    TOKEN_DAYS,
    ending_in_clusters,
)
from management.kubernetes.serving_certificates import Validity
from store.pieces import in_pieces
from store.records import Cluster, ClusterStatus

MAX_PROBLEMS = 50
MAX_ENDING = 50
"""Entries of the two lists, so that the response stays small."""

_KINDS = frozenset(
    {"user", "group", "role", "access", "cluster", "status", "project", "token-created"}
)

IN_USE = timedelta(days=1)
"""How recent the last use of a token in use is."""


@openapi(response=overview_models.OverviewResponse, watched=_KINDS)
async def overview(request: web.Request) -> web.Response:
    """Return the state of everything that the caller may see. What the caller may not see is null.

    ``overload`` is that of the process that responds: each worker of each replica has its own.
    """
    services, caller = services_of(request), caller_of(request)
    entered = [
        one
        for one in await services.store.clusters.list_all()
        if caller.access.sees_cluster(one.id)
    ]
    statuses = await services.store.fleet.statuses()
    administrator = caller.access.administrator
    state = services.state()
    return web.json_response(
        {
            "clusters": await clusters_summary(entered, statuses, caller),
            "projects": await _projects(services, caller),
            "users": await _users(services) if _may(caller, READ_USERS) else None,
            "tokens": await _tokens(services, caller),
            "ending": await _ending(services, caller, entered, statuses),
            "providers": _providers(request) if _may(caller, READ_PROVIDERS) else None,
            "overload": {"overloaded": state.overloaded, "lag_seconds": round(state.lag_seconds, 3)}
            if administrator
            else None,
        }
    )


_CONSEQUENCES = frozenset({"AgentReady", "CollectionsSynced", "RBACReady"})
"""Conditions that fail with others, which then say why."""


async def clusters_summary(
    clusters: Iterable[Cluster], statuses: Mapping[str, ClusterStatus], caller: Caller
) -> Item:
    """Return the numbers of clusters by health, and the conditions that do not hold."""
    counts = dict.fromkeys(("healthy", "degraded", "unreachable", "removing", "unknown"), 0)
    problems: list[Item] = []
    nodes = total = 0
    async for one in in_pieces(clusters):
        total += 1
        data = _shown_data(one, statuses.get(one.id), caller)
        failed = [c for c in data.get("conditions") or [] if c.get("status") == "False"]
        counts[_health(one, data, failed)] += 1
        nodes += int((data.get("nodes") or {}).get("total") or 0)
        causes = [c for c in failed if c.get("type") not in _CONSEQUENCES]
        problems += [_problem(one, c) for c in causes or failed]
    return {"total": total, **counts, "nodes": nodes, "problems": problems[:MAX_PROBLEMS]}


def _shown_data(cluster: Cluster, status: ClusterStatus | None, caller: Caller) -> dict[str, Any]:
    """Return the part of a cluster's status that the caller may see."""
    held = caller.access.in_cluster(cluster.id).permissions
    data: dict[str, Any] = {}
    if status is not None and NODES in held:
        data = dict(status.data) if READ_CLUSTER in held else shown_status(dict(status.data))
    return with_unreadable(cluster, data) if cluster.unreadable else data


def _health(cluster: Cluster, data: Mapping[str, Any], failed: Sequence[Item]) -> str:
    if cluster.removing_since is not None:
        return "removing"
    if not data.get("conditions"):
        return "unknown"
    if any(one.get("type") == "Reachable" for one in failed):
        return "unreachable"
    return "degraded" if failed else "healthy"


def _problem(cluster: Cluster, condition: Mapping[str, Any]) -> Item:
    return {
        "id": cluster.id,
        "name": cluster.name,
        "condition": str(condition.get("type") or ""),
        "reason": str(condition.get("reason") or ""),
        "message": str(condition.get("message") or ""),
        "since": condition.get("since"),
    }


async def _projects(services: Services, caller: Caller) -> Item:
    seen = {one.id for one in await services.store.projects.list_all() if sees(caller, one)}
    inside = [one for one in await services.store.projects.namespaces() if one.project_id in seen]
    return {
        "total": len(seen),
        "namespaces": len(inside),
        "pending": sum(one.agreed != one.project_id for one in inside),
    }


async def _users(services: Services) -> Item:
    return asdict(await services.store.users.counts())


async def _tokens(services: Services, caller: Caller) -> Item:
    now = datetime.now(UTC)
    everyone = _may(caller, USERS) or _may(caller, READ_TOKENS)
    found = await services.store.tokens.counts(
        now, now - IN_USE, None if everyone else caller.user.id
    )
    numbers = asdict(found)
    return {"of": "all" if everyone else "own", "used_today": numbers.pop("used"), **numbers}


async def _ending(
    services: Services,
    caller: Caller,
    entered: Sequence[Cluster],
    statuses: Mapping[str, ClusterStatus],
) -> list[Item]:
    """Return what ends soon. Only administrators see the tokens of other users."""
    now, found = datetime.now(UTC), []
    administrator = caller.access.administrator
    server = services.state().certificate_ends_at
    if administrator and server is not None and server - now < CERTIFICATE_DAYS:
        found.append(_end("server_certificate", "", services.external_url, None, server))
    changeable = [
        one for one in entered if READ_CLUSTER in caller.access.in_cluster(one.id).permissions
    ]
    async for cluster in in_pieces(changeable):
        certificates = _certificates(cluster, statuses)
        found += [
            _end(one.kind, one.cluster.id, one.cluster.name, None, one.ends_at)
            for one in ending_in_clusters([cluster], certificates, now)
        ]
    tokens = await services.store.tokens.ending(
        now,
        now + TOKEN_DAYS,
        user_id=None if administrator else caller.user.id,
        limit=MAX_ENDING,
    )
    owners = await services.store.users.get_many(sorted({one.user_id for one in tokens}))
    names = {one.id: one.username for one in owners}
    found += [
        _end("token", one.name, one.description or one.kind, names.get(one.user_id), one.expires_at)
        for one in tokens
        if one.expires_at is not None
    ]
    return sorted(found, key=lambda one: (one["ends_at"], one["id"]))[:MAX_ENDING]


def _certificates(cluster: Cluster, statuses: Mapping[str, ClusterStatus]) -> dict[str, Validity]:
    """Return the validity of the certificate of a cluster's API servers, by the cluster's id."""
    status = statuses.get(cluster.id)
    found = Validity.read(status.data.get("certificate")) if status is not None else None
    return {cluster.id: found} if found is not None else {}


def _end(kind: str, key: str, name: str, user: str | None, ends_at: datetime) -> Item:
    shown = ends_at.astimezone(UTC).isoformat()
    return {"kind": kind, "id": key, "name": name, "user": user, "ends_at": shown}


def _providers(request: web.Request) -> list[Item]:
    registry, tester = services_of(request).providers, tester_of(request)
    return [
        {
            "name": one.name,
            "type": one.spec.type_name,
            "enabled": one.spec.enabled,
            "up": one.spec.enabled and one.error is None,
            "error": tester.shown_error(one),
        }
        for one in (registry.everything() if registry is not None else [])
    ]


def _may(caller: Caller, permission: str) -> bool:
    return permission in caller.access.global_permissions
