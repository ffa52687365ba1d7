"""Trace requests to the management API, and those that open tunnels."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from management.api.authentication import CALLER
from management.http.problem import REQUEST_ID
from management.http.request_notes import ADDRESS, TRACE_ID
from management.tracing import attributes as names
from management.tracing.span import NO_SPAN, active
from management.tracing.tracing import Tracing

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

TRACED = "/v1/"
"""Pages, their files and health checks are not traced."""


def traced(handler: Handler, tracing: Tracing | None) -> Handler:
    """Return a handler that traces requests below :data:`TRACED`, if traces are on."""
    if tracing is None:
        return handler

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith(TRACED):
            return await handler(request)
        method = names.method_of(request.method)
        incoming = tracing.incoming(
            request.headers.getall("traceparent", ()),
            request.headers.getall("tracestate", ()),
            request.remote or "",
        )
        attributes = {names.METHOD: method, names.SCHEME: "https"}
        span = tracing.begin(method, attributes, incoming, tracing.samples_management)
        if span is NO_SPAN:
            return await handler(request)
        request[TRACE_ID] = span.trace_id
        with active(span):
            response = await handler(request)
            route = _route(request)
            span.rename(f"{method} {route}".rstrip())
            span.set(_facts(request, route))
            names.record_status(span, response.status, failed_from=500)
            return response

    return handle


def _route(request: web.BaseRequest) -> str:
    """Return the path of the endpoint, without the names of objects."""
    if isinstance(request, web.Request):
        resource = request.match_info.route.resource
        return resource.canonical if resource is not None else ""
    return request.path  # The endpoint of tunnels, which has one path and no router.


def _facts(request: web.BaseRequest, route: str) -> dict[str, str | int | bool]:
    caller = request.get(CALLER)
    found = {
        names.ROUTE: route,
        names.CLIENT: request.get(ADDRESS, ""),
        names.REQUEST_ID: request.get(REQUEST_ID, ""),
        names.USER: caller.user.id if caller is not None else "",
    }
    return {key: value for key, value in found.items() if value}
