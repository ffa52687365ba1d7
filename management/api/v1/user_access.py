"""What a user may do, or a group gives, everywhere, and by what."""

from dataclasses import asdict
from typing import Any

from aiohttp import web

from management.access.offload import off_loop
from management.access.user_access import (
    MAX_PLACES,
    GroupAccess,
    HeldRole,
    Place,
    UserAccess,
    Visible,
    group_access,
    roles_in_cluster,
    user_access,
)
from management.access.who_can import ClusterFacts, cluster_facts
from management.api.access_requirements import no_such_cluster, require_in_cluster, sees
from management.api.access_responses import (
    GroupAccessResponse,
    UserAccessResponse,
    chain_json,
    step_json,
)
from management.api.authentication import Caller, caller_of, is_watch
from management.api.openapi_metadata import TEXT, openapi
from management.api.services import services_of
from management.api.v1 import groups
from management.authorization.permissions import READ_BINDINGS, READ_CLUSTER_MEMBERS
from management.authorization.role_catalog import RoleGrants
from management.http.problem import ApiProblem
from store.access_records import PolicyRule
from store.records import User

_CLUSTER = {"cluster": TEXT}
_KINDS = frozenset({"user", "group", "role", "access", "cluster", "project"})


@openapi(response=UserAccessResponse, query=_CLUSTER, watched=_KINDS)
async def own(request: web.Request) -> web.Response:
    """Return what the caller may do. ``?cluster=``: also by the cluster's own roles."""
    return await _response(request, caller_of(request).user)


@openapi(response=GroupAccessResponse, watched=_KINDS)
async def of_group(request: web.Request) -> web.Response:
    """Return the roles that a group gives to its members, in places that the caller may see.

    Callers without ``users.read`` see groups of their own only, and those in every place.
    """
    group = await groups.known_group(request)
    visible = Visible() if group["mine"] else _visible_to(caller_of(request))
    store = services_of(request).store
    found = await group_access(store, group["id"], group["name"], visible)
    shown = {key: group[key] for key in ("id", "provider", "name", "members")}
    return web.json_response({"group": shown, **_places_json(found)})


@openapi(response=UserAccessResponse, query=_CLUSTER, watched=_KINDS)
async def of_user(request: web.Request) -> web.Response:
    """Return what a user may do, in places whose members the caller may see.

    ``?cluster=`` adds what the user may do by the roles of a cluster whose members the caller
    may read.
    """
    user = await services_of(request).store.users.get(request.match_info["id"])
    if user is None:
        raise ApiProblem(404, "user not found")
    return await _response(request, user)


async def _response(request: web.Request, user: User) -> web.Response:
    services, caller = services_of(request), caller_of(request)
    unknown = sorted(set(request.query) - {*_CLUSTER, "watch"})
    if "cluster" in request.query and is_watch(request):
        raise ApiProblem(422, "watch: the roles of a cluster are not streamed: leave cluster out")
    if unknown:
        raise ApiProblem(422, f"unknown parameter {unknown[0][:64]}; the parameter is cluster")
    facts = await _facts(request, user)
    visible = Visible() if user.id == caller.user.id else _visible_to(caller)
    found = await user_access(services.store, user, visible)
    rbac = None
    if facts is not None:
        held = await off_loop(facts.rbac.size, roles_in_cluster, found, facts)
        rbac = {
            "cluster": facts.snapshot.cluster.id,
            "cluster_name": facts.snapshot.cluster.name,
            "roles": [_role_json(one) for one in held[:MAX_PLACES]],
            "more": max(0, len(held) - MAX_PLACES),
            "gaps": list(facts.rbac.gaps),
            "read_at": facts.rbac.read_at.isoformat() if facts.rbac.read_at else None,
        }
    return web.json_response({**_json(found), "rbac": rbac})


async def _facts(request: web.Request, user: User) -> ClusterFacts | None:
    """Return what is known about the cluster of the query; None without one.

    Raises:
        ApiProblem: 404 or 403 if the caller may not see the members of the cluster.
    """
    name = request.query.get("cluster")
    if name is None:
        return None
    services, caller = services_of(request), caller_of(request)
    cluster = await services.store.clusters.get(name)
    if cluster is None or not caller.access.sees_cluster(cluster.id):
        raise no_such_cluster(name)
    if user.id != caller.user.id:
        require_in_cluster(caller, cluster, READ_CLUSTER_MEMBERS)
    return await cluster_facts(services.store, services.rbac, cluster)


def _visible_to(caller: Caller) -> Visible:
    """Return the places whose members the caller may list."""
    access = caller.access
    return Visible(
        overall=READ_BINDINGS in access.global_permissions,
        cluster=lambda one: READ_CLUSTER_MEMBERS in access.in_cluster(one).permissions,
        project=lambda one: sees(caller, one),
    )


def _json(found: UserAccess) -> dict[str, Any]:
    user = found.user
    return {
        "user": {
            "id": user.id,
            "username": user.username,
            "display_name": user.display_name,
            "enabled": user.enabled,
        },
        "groups": [
            {"id": one.id, "provider": one.provider, "display_name": one.name}
            for one in found.groups
        ],
        **_places_json(found),
    }


def _places_json(found: UserAccess | GroupAccess) -> dict[str, Any]:
    return {
        "overall": _place_json(found.overall),
        "clusters": [
            {
                **_place_json(one),
                "projects": [
                    {**_place_json(inside), "namespaces": list(inside.namespaces)}
                    for inside in one.projects[:MAX_PLACES]
                ],
            }
            for one in found.clusters[:MAX_PLACES]
        ],
        "more": max(0, len(found.clusters) - MAX_PLACES),
        "hidden": found.hidden,
    }


def _place_json(place: Place) -> dict[str, Any]:
    return {
        "id": place.id,
        "name": place.name,
        **_held_json(place.held),
        "via": [[step_json(step) for step in steps] for steps in place.via],
    }


def _held_json(held: RoleGrants) -> dict[str, Any]:
    return {
        "permissions": sorted(held.permissions),
        "cluster_roles": sorted(held.cluster_roles),
        "rules": [_rule_json(one) for one in held.rules],
    }


def _rule_json(rule: PolicyRule) -> dict[str, Any]:
    return {key: list(value) for key, value in asdict(rule).items()}


def _role_json(held: HeldRole) -> dict[str, Any]:
    return {
        **chain_json(held.chain),
        "rules": [_rule_json(one) for one in held.rules],
        "more_rules": held.more,
    }
