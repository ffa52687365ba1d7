"""Why a request was refused: what decided, what is missing, and who may grant it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from management.access.chains import rule_text
from management.access.explanation import Verdict
from management.access.question import AccessQuestion
from management.access.smallest_role import Suggestion, roles_with_permission
from management.access.why import Why, explain
from management.api.access_requirements import (
    REQUIREMENTS,
    GlobalPermission,
    InCluster,
    InProject,
    Requirement,
    sees,
)
from management.api.access_responses import ExplanationResponse, chain_json
from management.api.audit_events import scope_of
from management.api.audit_scope import visible_part
from management.api.authentication import Caller, caller_of
from management.api.openapi_metadata import openapi
from management.api.services import services_of
from management.authorization.permissions import READ_CLUSTER_MEMBERS
from management.authorization.role_catalog import RoleCatalog
from management.http.problem import ApiProblem
from store.access_records import Scope
from store.audit_records import AuditEvent
from store.interfaces import Store

MAX_GRANTERS = 10
"""People that an explanation names."""


_Endpoints = tuple[tuple[str, str, Requirement], ...]


@dataclass(frozen=True, slots=True)
class _Needed:
    """What an endpoint of the API requires."""

    text: str
    permission: str | None
    scope: Scope


@openapi(response=ExplanationResponse)
async def explanation(request: web.Request) -> web.Response:
    """Explain a refused request: one's own, or one that the caller may see in the audit log.

    What a cluster's rules lack is computed now: ``allowed_now`` says that it is there by now. Those
    who may grant the role are named to callers who may list the members there.
    """
    services, caller = services_of(request), caller_of(request)
    if not services.audit_search:
        raise ApiProblem(
            404, "this server keeps no events for searches: see audit.search in its configuration"
        )
    event = await _event(request)
    why = await explain(services.store, services.rbac, event)
    why = await _of_endpoint(services.store, why, request.config_dict[REQUIREMENTS])
    return web.json_response(await _json(services.store, why, caller))


async def _event(request: web.Request) -> AuditEvent:
    """Return the newest event with the request's id that the caller may see, refused ones first.

    Raises:
        ApiProblem: 404 if there is none.
    """
    request_id = request.match_info["request_id"]
    scope = scope_of(request)
    found = await services_of(request).store.audit.by_request_id(request_id, scope)
    refused = [one for one in found if one.code >= 400]
    if not found:
        raise ApiProblem(
            404,
            "no request with that id that you may see: it was stored seconds after the request if "
            "it was refused, and is removed after some time",
        )
    return visible_part((refused or found)[-1], scope)


async def _of_endpoint(store: Store, why: Why, endpoints: _Endpoints) -> Why:
    """Return the explanation with what an endpoint of Sekisho's own API requires."""
    event = why.event
    own = event.answered_by == "sekisho" and event.path.startswith("/v1/")
    needed = _needed(event, endpoints) if own and event.code == 403 else None
    if needed is None or why.verdict.cause != "unknown":
        return why
    text = f"The API requires {needed.text}, and the user does not hold it."
    roles: Sequence[Suggestion] = ()
    if needed.permission is not None:
        catalog = RoleCatalog(await store.roles.list_all())
        roles = roles_with_permission(needed.permission, catalog, needed.scope)
    return replace(why, verdict=Verdict("permission", text), roles=roles)


def _needed(event: AuditEvent, endpoints: _Endpoints) -> _Needed | None:
    """Return the requirement of the endpoint that an event is about."""
    path = event.path.partition("?")[0]
    method = event.verb.upper()
    for known, template, requirement in endpoints:
        if known == method and _is_at(template, path):
            scopes: dict[type[object], Scope] = {InCluster: "cluster", InProject: "project"}
            if isinstance(requirement, GlobalPermission | InCluster | InProject):
                scope = scopes.get(type(requirement), "global")
                return _Needed(str(requirement), requirement.permission, scope)
            return _Needed(str(requirement), None, "global")
    return None


def _is_at(template: str, path: str) -> bool:
    """Return whether a path fits an endpoint's; ``{…}`` is one segment that is not empty."""
    parts, segments = template.split("/"), path.split("/")
    return len(parts) == len(segments) and all(
        bool(segment) if part.startswith("{") else part == segment
        for part, segment in zip(parts, segments, strict=True)
    )


async def _json(store: Store, why: Why, caller: Caller) -> dict[str, Any]:
    verdict, event = why.verdict, why.event
    mine = event.user_id == caller.user.id
    sees_chain = mine or (
        why.cluster is not None
        and READ_CLUSTER_MEMBERS in caller.access.in_cluster(why.cluster.id).permissions
    )
    granters = await _granters(store, why, caller)
    return {
        "request_id": event.request_id,
        "time": event.received_at.isoformat(),
        "user": event.user_id,
        "username": event.username,
        "request": _request_text(event),
        "cluster": event.cluster_id,
        "cluster_name": event.cluster,
        "namespace": event.namespace,
        "code": event.code,
        "refused_by": event.answered_by,
        "cause": verdict.cause,
        "text": verdict.text,
        "message": event.reason,
        "remedy": verdict.remedy or _remedy(why, granters),
        "missing": [_missing_json(one) for one in verdict.missing],
        "allowed_now": verdict.grant is not None,
        "chain": chain_json(why.chain) if why.chain is not None and sees_chain else None,
        "roles": [
            {"id": one.role.id, "name": one.role.name, "scope": one.role.scope} for one in why.roles
        ],
        "granters": granters,
        "gaps": list(why.gaps),
    }


def _request_text(event: AuditEvent) -> str:
    if event.resource:
        return str(_asked(event))
    return f"{event.verb} {event.path.partition('?')[0]}"


def _asked(event: AuditEvent) -> AccessQuestion:
    return AccessQuestion(
        event.verb,
        event.api_group,
        event.resource,
        event.subresource,
        event.namespace,
        event.name,
    )


def _missing_json(question: AccessQuestion) -> dict[str, Any]:
    action = question.action
    return {
        "text": str(question),
        "rule": {
            "verbs": list(action.verbs),
            "api_groups": list(action.api_groups),
            "resources": list(action.resources),
            "resource_names": [one for one in action.resource_names if one],
            "non_resource_urls": list(action.non_resource_urls),
        },
        "rule_text": rule_text(replace(action, resource_names=())),
    }


async def _granters(store: Store, why: Why, caller: Caller) -> dict[str, Any] | None:
    """Return who may grant the first role: by name if the caller may list the members there."""
    if not why.roles or why.cluster is None:
        return None
    cluster, project, role = why.cluster, why.project, why.roles[0].role
    manages = READ_CLUSTER_MEMBERS in caller.access.in_cluster(cluster.id).permissions
    in_project = project is not None and role.scope == "project"
    if project is not None and in_project and sees(caller, project):
        text = f'an owner of project "{project.name}"'
        named = [one for one in why.granters if one.project_id or manages]
    else:
        place = " or of the namespace's project" if in_project else ""
        text = f'an owner of cluster "{cluster.name}"{place}'
        named = list(why.granters) if manages else []
    users = {
        one.id: one
        for one in await store.users.get_many(
            sorted({one.user_id for one in named if one.user_id is not None})
        )
    }
    names = []
    for one in named:
        user = users.get(one.user_id or "")
        if user is None or user.enabled:
            names.append(user.username if user is not None else one.name or one.subject)
    return {"text": text, "names": list(dict.fromkeys(names))[:MAX_GRANTERS]}


def _remedy(why: Why, granters: dict[str, Any] | None) -> str:
    if not why.roles:
        if why.verdict.missing and why.verdict.cause == "rbac":
            return "No role of Sekisho allows it: ask an administrator to make one with that rule."
        return ""
    if granters is None:
        return f'Ask an administrator or owner for the role "{why.roles[0].role.name}".'
    names = f" ({', '.join(granters['names'])})" if granters["names"] else ""
    return f'Ask {granters["text"]}{names} for the role "{why.roles[0].role.name}".'
