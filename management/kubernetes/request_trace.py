"""Trace requests to clusters: a span for each, and its trace context for the API server."""

import aiohttp

from management.tracing import attributes as names
from management.tracing.span import NO_SPAN, child_span, current_span


async def trace_request(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request in a span below the current one, up to the head of its response.

    A middleware of aiohttp's client. API servers support W3C Trace Context (KEP-647).
    """
    if current_span() is NO_SPAN:
        return await handler(request)
    url = request.url
    attributes: dict[str, str | int | bool] = {
        names.METHOD: request.method,
        names.SERVER: url.host or "",
        names.PORT: url.port or 443,
    }
    with child_span(request.method, "client", attributes) as span:
        request.headers.update(span.headers)
        response = await handler(request)
        names.record_status(span, response.status, failed_from=400)
        return response
