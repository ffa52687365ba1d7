"""Search the audit log. Each caller sees the events that they may see, and no count of others."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import AwareDatetime

from management.api.audit_events import POSITIONS_LIVE, scope_of, shown, stream_events
from management.api.audit_query import PARAMETERS, audit_filter, audit_limit
from management.api.audit_scope import Item
from management.api.authentication import is_watch
from management.api.openapi_metadata import NUMBER, TEXT, openapi
from management.api.response_models import AuditEventResponse
from management.api.services import Services, services_of
from management.http.problem import ApiProblem
from management.identity.sealed_state import SealedState
from store.audit_records import AuditCursor, AuditFilter

_MOST_NAMESAKES = 100
"""How many users of one name a search includes."""


class PagePosition(SealedState):
    """The last event of a page."""

    purpose_name = "audit page"

    at: AwareDatetime
    seq: int


_QUERY: Mapping[str, Any] = {name: NUMBER if name == "limit" else TEXT for name in PARAMETERS}


@openapi(response=AuditEventResponse, many=True, query=_QUERY)
async def search(request: web.Request) -> web.StreamResponse:
    """Search audit events, newest first.

    Everyone sees their own events; ``cluster.audit``, ``project.audit`` and ``audit.read`` show
    those of a cluster, of a project's namespaces, and all. A page may have fewer events than
    ``limit``, also none: continue while the response has ``continue``. With ``?watch=1`` new events
    are streamed in the order of storing; ``since`` adds earlier ones, and ``Last-Event-ID``
    continues an earlier stream.
    """
    services = services_of(request)
    if not services.audit_search:
        raise ApiProblem(
            404, "this server keeps no events for searches: see audit.search in its configuration"
        )
    given = {name: request.query.getall(name) for name in request.query}
    wanted = await _resolved(services, audit_filter(given, datetime.now(UTC)))
    if is_watch(request):
        return await stream_events(request, wanted)
    limit = audit_limit(request.query.get("limit"))
    scope, after = scope_of(request, wanted), _position(services, request.query.get("continue"))
    page = await services.store.audit.page(scope, wanted, limit=limit, after=after)
    body: Item = {"items": await shown(services, scope, page.events)}
    if page.next is not None:
        position = PagePosition(at=page.next.at, seq=page.next.seq)
        body["continue"] = services.cipher.encrypt(position, POSITIONS_LIVE)
    return web.json_response(body)


async def _resolved(services: Services, wanted: AuditFilter) -> AuditFilter:
    """Return the filter with ids for names: indexes have ids, and names may change."""
    if (name := wanted.user) is not None:
        user = await services.store.users.get(name)
        if user is not None:
            wanted = replace(wanted, user_id=user.id, user=None)
        else:  # Events of sign-ins have the id only.
            found = await services.store.users.find(name)
            called = tuple(one.id for one in found[:_MOST_NAMESAKES])
            wanted = replace(wanted, called=called)
    if wanted.cluster is not None:
        cluster = await services.store.clusters.get(wanted.cluster)
        if cluster is not None:
            wanted = replace(wanted, cluster_id=cluster.id, cluster=None)
    return wanted


def _position(services: Services, text: str | None) -> AuditCursor | None:
    if text is None:
        return None
    position = services.cipher.decrypt(PagePosition, text)
    if position is None:
        raise ApiProblem(422, "continue is not valid: use the value of an earlier page")
    return AuditCursor(position.data.at, position.data.seq)
