"""The trace of a request to a cluster: its span, and what the cluster gets of the trace context.

Only the ordinary path traces. The fast path draws whether to trace a request, and leaves it to the
ordinary path then; see docs/decisions/0066-traces.md.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from management.tracing import attributes as names
from management.tracing.span import NO_SPAN, active, current_span
from management.tracing.tracing import Incoming, Tracing
from proxy.client.connection import ClientConnection
from proxy.request.context import RequestContext
from proxy.request.headers import RequestHeaders

_ROUTE = "/k8s/clusters/{cluster}"
_PART = re.compile(r"[A-Za-z0-9.-]{1,64}")

TRACE_HEADERS = frozenset({b"traceparent", b"tracestate"})


class RequestTracer:
    """Traces requests to clusters. One per process, and none if traces are off."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def samples_request(self) -> bool:
        """Return whether to trace the next request. Drawn again each time."""
        return self._tracing.samples_request()

    @contextmanager
    def trace(self, request: web.BaseRequest, context: RequestContext) -> Iterator[None]:
        """Trace a request, if it is sampled, with what ``context`` has at its end."""
        client = request.protocol
        samples = self._tracing.samples_request
        if isinstance(client, ClientConnection) and client.sampled:
            client.sampled, samples = False, _always
        attributes = {names.METHOD: names.method_of(context.method), names.SCHEME: "https"}
        span = self._tracing.begin(
            f"{attributes[names.METHOD]} {_ROUTE}", attributes, self._incoming(request), samples
        )
        if span is NO_SPAN:
            yield
            return
        context.trace_id = span.trace_id
        with active(span):
            try:
                yield
            finally:
                span.rename(f"{attributes[names.METHOD]} {_route(context)}")
                span.set(_facts(context))
                if context.status:
                    names.record_status(span, context.status, failed_from=500)

    def take_over(self, request: web.BaseRequest, headers: RequestHeaders) -> None:
        """Remove the client's trace context from what the cluster gets.

        Otherwise a client could make the API server trace. What a trusted client sent with a
        request that it does not trace is passed on.
        """
        traced = current_span() is not NO_SPAN
        if headers.traced and (traced or not self._incoming(request).trusted):
            headers.forwarded = [
                line for line in headers.forwarded if line[0].lower() not in TRACE_HEADERS
            ]

    def _incoming(self, request: web.BaseRequest) -> Incoming:
        origin = getattr(request.protocol, "origin", "")
        return self._tracing.incoming(
            request.headers.getall("traceparent", ()),
            request.headers.getall("tracestate", ()),
            request.remote or "",
            inner=bool(origin),
        )


def _always() -> bool:
    return True


def _route(context: RequestContext) -> str:
    """Return the path with the names of objects replaced, so that few different ones exist."""
    info = context.info
    parts = (info.group, info.version, info.resource, info.subresource)
    if (
        not info.resource
        or not context.cluster
        or not all(map(_PART.fullmatch, filter(None, parts)))
    ):
        return _ROUTE
    route = ["/apis", info.group, info.version] if info.group else ["/api", info.version]
    if info.namespace and info.resource != "namespaces":
        route.append("namespaces/{namespace}")
    route.append(info.resource)
    if info.name:
        route.append("{name}")
    if info.subresource:
        route.append(info.subresource)
    return _ROUTE + "/".join(route)


def _facts(context: RequestContext) -> dict[str, str | int | bool]:
    """Return the attributes that are known at the end. The path is left out: it has names, and
    behind ``proxy`` anything.
    """
    found = {
        names.ROUTE: _route(context),
        names.CLIENT: context.remote,
        names.REQUEST_ID: context.request_id,
        names.USER: context.user,
        names.CLUSTER: context.cluster,
        names.NAMESPACE: context.info.namespace if context.cluster else "",
        names.DECISION: context.decision,
        "sekisho.verb": context.info.verb,
    }
    return {key: value for key, value in found.items() if value}
